"""`amaze demo`: what a newcomer sees first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.platform import _CLEAN, free_ports


def test_the_demo_shows_allowed_and_refused_calls(tmp_path: Path) -> None:
    proxy, control, ui = free_ports(3)
    env = {
        **_CLEAN,
        "AMAZE_DATA_DIR": str(tmp_path),
        "AMAZE_PROXY_PORT": str(proxy),
        "AMAZE_CONTROL_PORT": str(control),
        "AMAZE_UI_PORT": str(ui),
        "COLUMNS": "160",
    }
    done = subprocess.run(
        [sys.executable, "-m", "amaze_proxy.cli", "demo", "--exit"],
        env=env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "-agent " in line and ":" in line[:8]]
    allowed = [line for line in lines if " allowed " in line]
    refused = [line for line in lines if " refused " in line]
    assert any("research-agent" in line and "openai/gpt-4.1-mini" in line for line in allowed)
    assert any("writer-agent" in line and "claude-haiku-4-5" in line for line in allowed)
    assert any("gpt-5.5" in line and "llm-not-allowed" in line for line in refused)
    assert any(
        "anthropic/claude-haiku-4-5" in line and "llm-not-allowed" in line for line in refused
    )
    assert any("writer-agent" in line and "rate-limit-exceeded" in line for line in refused)
    assert "Traceback" not in done.stderr
