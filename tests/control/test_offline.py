from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from amaze_proxy.control import offline
from amaze_proxy.control.signing import Signer
from amaze_proxy.policy import chain
from amaze_proxy.policy.record import GENESIS, AuditRecord, seal, to_json

SIGNER = Signer(b"s" * 32)


def write(path: Path, **members: str | bytes) -> Path:
    """A whole export of one record, but for the members that are given."""
    one = seal(AuditRecord("d1", 1, "a", "llm"), "w:a", 1, GENESIS)
    manifest = {
        "public_key": SIGNER.public_key,
        "checkpoint": GENESIS,
        "chains": {"w:a": {"after": [0, GENESIS], "last": [1, one.hash]}},
    }
    data = json.dumps(manifest).encode()
    content: dict[str, str | bytes] = {
        "chain.jsonl": to_json(one) + "\n",
        "checkpoints.json": "[]",
        "manifest.json": data,
        "manifest.sig": SIGNER.sign(data).hex(),
    }
    content |= {name.replace("_", "."): value for name, value in members.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in content.items():
            if value:
                archive.writestr(name, value)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export.zip"


def test_a_whole_export(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert offline.main([str(write(path))]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "records 1, checkpoints 0",
        f"signatures good, key {SIGNER.public_key}",
        "whole",
    ]


def test_without_cryptography_it_does_not_say_that_all_is_whole(path: Path) -> None:
    """By the shipped files, in an interpreter that has the standard library alone."""
    sources = {"verify.py": offline.__file__, "chain.py": chain.__file__}
    for name, source in sources.items():
        (path.parent / name).write_text(Path(source).read_text())

    def checked(export: Path) -> subprocess.CompletedProcess[str]:
        # -I, -S: no packages of this environment; the folder of the script is not on the path then
        code = f"import sys, runpy; sys.path.insert(0, {str(path.parent)!r}); sys.argv[1:] = "
        code += f"[{str(export)!r}]; runpy.run_path({str(path.parent / 'verify.py')!r}, "
        code += "run_name='__main__')"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
        )

    done = checked(write(path))
    assert (done.returncode, done.stderr) == (offline.UNSIGNED, "")
    assert done.stdout.splitlines()[1:] == [
        f"signatures NOT CHECKED, key {SIGNER.public_key}",
        "hashes are whole, but signatures were not checked: who changed a record may have hashed "
        "all anew. Install cryptography (python -m pip install cryptography) and run this again",
    ]
    changed = checked(write(path, chain_jsonl="{}\n"))
    assert changed.returncode == 1
    assert changed.stdout.endswith("NOT WHOLE\n")


def test_a_flaw_is_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junk = "{}\n" * 150
    assert offline.main([str(write(path, chain_jsonl=junk))]) == 1
    out = capsys.readouterr().out
    assert "changed:  record 1" in out
    assert "and 51 more" in out
    assert out.endswith("NOT WHOLE\n")


@pytest.mark.parametrize(
    "members",
    [
        {"manifest_json": ""},
        {"manifest_json": "{}"},
        {"manifest_json": "[]"},
        {"checkpoints_json": "[1]"},
        {"checkpoints_json": "nonsense"},
    ],
)
def test_what_is_no_export(path: Path, members: dict[str, str]) -> None:
    with pytest.raises(offline.NoExport):
        offline.verify(write(path, **members))


def test_what_is_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "_LINE_MAX", 10)
    with pytest.raises(offline.NoExport, match="too long"):
        offline.verify(write(path))
    monkeypatch.setattr(offline, "_WHOLE_MAX", 10)
    with pytest.raises(offline.NoExport, match="too large"):
        offline.verify(write(path))


def test_a_writer_whom_the_manifest_does_not_know(path: Path) -> None:
    stranger = seal(AuditRecord("d1", 1, "a", "llm"), "v:a", 1, GENESIS)
    report = offline.verify(write(path, chain_jsonl=to_json(stranger)))
    assert [(flaw.kind, flaw.writer) for flaw in report.flaws] == [
        ("inserted", "v:a"),
        ("removed", "w:a"),
    ]


def test_how_it_is_called(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert offline.main([]) == 2
    assert "verify.py export.zip" in capsys.readouterr().out
    assert offline.main([str(path)]) == 1
    assert "cannot be read" in capsys.readouterr().err
    path.with_name("key.pem").write_bytes(SIGNER.public_pem)
    assert offline.main([str(write(path)), str(path.with_name("key.pem"))]) == 0
