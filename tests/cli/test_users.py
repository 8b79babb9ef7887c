from __future__ import annotations

import json

import pytest

from amaze_proxy.cli.users import ROLES
from amaze_proxy.control.people import UserRole

ANN = {"name": "ann", "role": "viewer", "disabled": False, "created_ms": 0}


def test_the_command_line_knows_every_role() -> None:
    assert tuple(UserRole) == ROLES


def test_a_user_is_made_and_its_password_printed(amaze, control) -> None:
    control.answer("POST /auth/users", {**ANN, "password": "once"}, 201)
    done = amaze("users", "create", "ann", "--role", "viewer", "--json")
    assert json.loads(done.stdout)["password"] == "once"
    assert control.last.json == {"name": "ann", "role": "viewer"}


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        (("passwd", "ann"), {"reset_password": True}),
        (("role", "ann", "admin"), {"role": "admin"}),
        (("disable", "ann"), {"disabled": True}),
        (("enable", "ann"), {"disabled": False}),
    ],
)
def test_a_user_is_changed(amaze, control, words, wish) -> None:
    control.answer("PATCH /auth/users/ann", ANN)
    done = amaze("users", *words)
    assert done.exit_code == 0, done.output
    assert control.last.json == wish


def test_users_are_listed_and_deleted(amaze, control) -> None:
    control.answer("GET /auth/users", {"users": [ANN], "next": None})
    assert "ann" in amaze("users", "list").stdout
    control.answer("DELETE /auth/users/a%2Fb", {}, 200)
    assert amaze("users", "delete", "a/b", "--yes").exit_code == 0
    assert control.last.method == "DELETE"


def test_a_wrong_role_is_a_wrong_use(amaze, control) -> None:
    assert amaze("users", "role", "ann", "owner").exit_code == 2
    assert control.asked == []
