"""What the room shows to others, and what it does not bring with it."""

import subprocess
import sys

import amaze_proxy.policy as room

FORBIDDEN = "redis starlette h11 sqlmodel sqlalchemy cryptography httpx uvicorn opentelemetry"
PROGRAM = """
import sys
import amaze_proxy.policy, amaze_proxy.policy.turn, amaze_proxy.policy.callers
loaded = {name.partition(".")[0] for name in sys.modules}
rooms = {name for name in sys.modules if name.startswith("amaze_proxy.")}
print(*sorted(loaded & set(sys.argv[1].split())))
print(*sorted(name for name in rooms if not name.startswith("amaze_proxy.policy")))
"""


def test_it_loads_no_server_and_no_store() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, FORBIDDEN], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_public_names_are_there() -> None:
    assert all(hasattr(room, name) for name in room.__all__)
    assert (
        room.decide(
            room.AccessRequest("a", object()),  # type: ignore[arg-type]
            room.load_policy("{}"),
        ).reason
        is room.Reason.INTERNAL_ERROR
    )
