from __future__ import annotations

KEY = {"key_id": "0a", "prefix": "amk_0a", "user": "ann", "role": "viewer", "scope": ["a"]}


def test_a_key_is_made_and_printed(amaze, control) -> None:
    control.answer("POST /auth/api-keys", {**KEY, "key": "amk_0a.secret"}, 201)
    words = ("--user", "ann", "--role", "viewer", "--agent", "a", "--days", "30", "--label", "ci")
    assert "amk_0a.secret" in amaze("keys", "create", *words).stdout
    wanted = {"role": "viewer", "scope": ["a"], "label": "ci", "user": "ann", "lasts_days": 30}
    assert control.last.json == wanted


def test_what_is_not_said_is_not_sent(amaze, control) -> None:
    control.answer("POST /auth/api-keys", KEY, 201)
    amaze("keys", "create", "--role", "admin")
    assert control.last.json == {"role": "admin", "scope": [], "label": ""}


def test_keys_are_listed_and_revoked(amaze, control) -> None:
    control.answer("GET /auth/api-keys", {"api_keys": [KEY], "next": None})
    assert "amk_0a" in amaze("keys", "list").stdout
    control.answer("DELETE /auth/api-keys/0a", {}, 200)
    assert amaze("keys", "revoke", "0a").exit_code == 0
    assert control.last.method == "DELETE"
