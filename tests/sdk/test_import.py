from __future__ import annotations

import subprocess
import sys

LOADED = """
import sys
before = set(sys.modules)
import amaze, amaze.testing
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(roots - sys.stdlib_module_names))
"""


def test_amaze_needs_the_standard_library_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["amaze"]


def test_importing_changes_nothing() -> None:
    code = (
        "import http.client, os, sys, threading\n"
        "state = lambda: (http.client.HTTPConnection.putrequest, threading.Thread.start,\n"
        "                 dict(os.environ), list(sys.meta_path), threading.active_count())\n"
        "before = state()\nimport amaze\nassert state() == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
