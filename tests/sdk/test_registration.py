from __future__ import annotations

import threading
from pathlib import Path

import pytest
from amaze import RegistrationError
from amaze.registration import Endpoints, register
from amaze.settings import Settings, read_settings
from amaze.testing import FakePlatform


def settings_for(platform: FakePlatform, directory: Path, **more: str) -> Settings:
    return read_settings(
        {
            "AMAZE_AGENT_ID": "one",
            "AMAZE_ORCHESTRATOR_URL": platform.orchestrator_url,
            "AMAZE_STATE_DIR": str(directory),
            **more,
        }
    )


def test_a_registration_tells_where_to_reach_the_agent(
    platform: FakePlatform, tmp_path: Path
) -> None:
    made = register(settings_for(platform, tmp_path), tmp_path, Endpoints("127.0.0.1", 4711))
    assert made.agent_id == "one"
    assert made.status == "approved"
    assert made.session_id
    assert platform.agent_of(made.credential) == "one"
    assert platform.registrations == [
        {"agent_id": "one", "chat_host": "127.0.0.1", "chat_port": 4711}
    ]
    assert made.credential not in repr(made)


def test_a_registration_tells_where_agents_reach_it(platform: FakePlatform, tmp_path: Path) -> None:
    endpoints = Endpoints("127.0.0.1", 1, "::1", 2)
    register(settings_for(platform, tmp_path), tmp_path, endpoints)
    assert platform.registrations[0]["a2a_host"] == "::1"
    assert platform.registrations[0]["a2a_port"] == 2


def test_a_restart_uses_the_remembered_credential(platform: FakePlatform, tmp_path: Path) -> None:
    settings = settings_for(platform, tmp_path)
    first = register(settings, tmp_path, Endpoints("127.0.0.1", 1))
    again = register(settings, tmp_path, Endpoints("127.0.0.1", 2))
    assert again.credential == first.credential
    assert again.status == "approved"
    assert (tmp_path / "one.cred").stat().st_mode & 0o777 == 0o600


def test_a_forgotten_credential_is_dropped(platform: FakePlatform, tmp_path: Path) -> None:
    settings = settings_for(platform, tmp_path)
    first = register(settings, tmp_path, Endpoints("127.0.0.1", 1))
    platform.forget("one")
    again = register(settings, tmp_path, Endpoints("127.0.0.1", 1))
    assert again.credential != first.credential


def test_a_given_credential_is_not_replaced(platform: FakePlatform, tmp_path: Path) -> None:
    register(settings_for(platform, tmp_path), tmp_path, Endpoints("127.0.0.1", 1))
    settings = settings_for(platform, tmp_path, AMAZE_CREDENTIAL="amz_one.unknown")
    with pytest.raises(RegistrationError, match="not this agent's") as caught:
        register(settings, tmp_path, Endpoints("127.0.0.1", 1))
    assert (caught.value.status, caught.value.reason) == (403, "enrolment-refused")
    assert "amz_one.unknown" not in str(caught.value)


def test_enrolment(tmp_path: Path) -> None:
    with FakePlatform(enroll_key="the-key") as platform:
        with pytest.raises(RegistrationError, match="X-Amaze-Enroll-Key is needed"):
            register(settings_for(platform, tmp_path), tmp_path, Endpoints("127.0.0.1", 1))
        settings = settings_for(platform, tmp_path, AMAZE_ENROLL_KEY="the-key")
        assert register(settings, tmp_path, Endpoints("127.0.0.1", 1)).status == "approved"


def test_an_existing_agent_is_not_taken_over(platform: FakePlatform, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    register(settings_for(platform, tmp_path / "a"), tmp_path / "a", Endpoints("127.0.0.1", 1))
    stranger = register(
        settings_for(platform, tmp_path / "b"), tmp_path / "b", Endpoints("127.0.0.1", 1)
    )
    assert stranger.status == "pending"


def test_an_orchestrator_that_starts_late(tmp_path: Path) -> None:
    with FakePlatform() as first:
        port = int(first.orchestrator_url.rpartition(":")[2])
        settings = settings_for(first, tmp_path)
    made: list[str] = []
    waiting = threading.Thread(
        target=lambda: made.append(register(settings, tmp_path, Endpoints("127.0.0.1", 1)).status)
    )
    waiting.start()
    with FakePlatform(orchestrator_port=port):
        waiting.join(timeout=20)
    assert made == ["approved"]


def test_an_orchestrator_that_never_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FakePlatform() as gone:
        settings = settings_for(gone, tmp_path, AMAZE_START_TIMEOUT="0.2")
    with pytest.raises(RegistrationError, match="AMAZE_ORCHESTRATOR_URL") as caught:
        register(settings, tmp_path, Endpoints("127.0.0.1", 1))
    assert caught.value.status is None
    assert caplog.text.count("waiting for the orchestrator") == 1, "said, and once"
    assert "AMAZE_ORCHESTRATOR_URL" in caplog.text


def test_an_answer_of_something_else(platform: FakePlatform, tmp_path: Path) -> None:
    # Our fake proxy answers any other path as well: 407, which no control plane does.
    settings = settings_for(platform, tmp_path, AMAZE_ORCHESTRATOR_URL=platform.proxy.url)
    with pytest.raises(RegistrationError, match="refused to register 'one'"):
        register(settings, tmp_path, Endpoints("127.0.0.1", 1))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("not a credential"),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.write_text(""),
        lambda path: path.chmod(0o644),
        lambda path: path.unlink(),
    ],
)
def test_a_file_that_cannot_be_trusted_is_not_used(
    damage: object, platform: FakePlatform, tmp_path: Path
) -> None:
    settings = settings_for(platform, tmp_path)
    register(settings, tmp_path, Endpoints("127.0.0.1", 1))
    damage(tmp_path / "one.cred")  # type: ignore[operator]
    assert register(settings, tmp_path, Endpoints("127.0.0.1", 1)).status == "pending"


def test_the_credential_that_amaze_run_keeps_is_used(
    platform: FakePlatform, tmp_path: Path
) -> None:
    settings = settings_for(platform, tmp_path)
    credential = register(settings, tmp_path, Endpoints("127.0.0.1", 1)).credential
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "one.cred").touch(mode=0o600)
    (tmp_path / "one.cred").write_text(credential)
    assert register(settings, tmp_path, Endpoints("127.0.0.1", 1)).credential == credential


def test_another_orchestrator_never_sees_the_credential(
    platform: FakePlatform, tmp_path: Path
) -> None:
    register(settings_for(platform, tmp_path), tmp_path, Endpoints("127.0.0.1", 1))
    with FakePlatform() as other:
        # Showing it would be answered 401 first; here it is simply a new agent.
        made = register(settings_for(other, tmp_path), tmp_path, Endpoints("127.0.0.1", 1))
        assert len(other.registrations) == 1
        assert made.status == "approved"
