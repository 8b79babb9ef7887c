"""Runs the fuzz targets under atheris, guided by coverage; needs an environment that has it.

    python tests/fuzz/run.py strictjson --seconds 120
    python tests/fuzz/run.py --all --seconds 60

An input that breaks a target's property is written to tests/fuzz/corpus/<target>/crash-<sha1>,
which `make test` then fails on until it is mended. Inputs that only reach new code are kept in
build/fuzz/<target>, where the next run begins.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CORPUS = HERE / "corpus"
TARGETS = tuple(sorted(path.stem for path in (HERE / "targets").glob("[a-z]*.py")))

_WORK = ROOT / "build" / "fuzz"
_LONGEST_INPUT = 4096
_SLOWEST_INPUT_S = 10


def fuzz(target: str, arguments: list[str]) -> None:
    """Runs libFuzzer in this process, and ends the process."""
    import atheris

    with atheris.instrument_imports(include=["amaze_proxy"]):
        check = import_module(f"tests.fuzz.targets.{target}").check
    atheris.Setup([sys.argv[0], f"-dict={HERE / 'words' / target}.dict", *arguments], check)
    atheris.Fuzz()


def _run(target: str, seconds: int) -> bool:
    """One target in a process of its own; whether its property held."""
    corpus, work = CORPUS / target, _WORK / target
    for directory in (corpus, work):
        directory.mkdir(parents=True, exist_ok=True)
    bounds = [f"-max_len={_LONGEST_INPUT}", f"-timeout={_SLOWEST_INPUT_S}"]
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={corpus}/", *bounds]
    command = [sys.executable, __file__, target, "--libfuzzer", *options, str(work), str(corpus)]
    print(f"== {target}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main() -> int:
    """Runs what the command line names; 1 if a property did not hold."""
    if sys.argv[2:3] == ["--libfuzzer"]:
        sys.path.insert(0, str(ROOT))
        fuzz(sys.argv[1], sys.argv[3:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--all", action="store_true", help="every target")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    chosen = parser.parse_args()
    targets = TARGETS if chosen.all else tuple(chosen.targets)
    if not targets or not set(targets) <= set(TARGETS):
        parser.error(f"name targets, or --all: {', '.join(TARGETS)}")
    broken = [name for name in targets if not _run(name, chosen.seconds)]
    print(f"broken: {', '.join(broken)}" if broken else "every property held")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
