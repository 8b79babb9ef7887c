"""Everything that is measured of the archive and the web UI, one after the other; each writes its
part of docs/benchmarks-archive.md. Exit code 1 where a bar is missed.

    PYTHONPATH=. python benchmarks/million.py [--database FILE]

FILE keeps the 1,000,000 calls for the next run; without it they are filled in anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        database = (given.database or Path(directory) / "calls.db").resolve()
        commands = (
            ("queries.py", "--database", f"sqlite:///{database}"),
            ("queries.py", "--postgres"),
            ("pages.py", "--database", str(database)),
            ("archive.py",),
            ("archive.py", "--postgres"),
            ("live.py",),
            ("collector.py",),
        )
        failed = [command for command in commands if not _ran(*command)]
    for command in failed:
        print("missed a bar:", *command)
    return 1 if failed else 0


def _ran(script: str, *arguments: str) -> bool:
    print(script, *arguments, flush=True)
    command = [sys.executable, str(_HERE / script), *arguments]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
