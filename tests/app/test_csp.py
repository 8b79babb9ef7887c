"""The content security policy of built pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from amaze_app.csp import inline_scripts, of_pages


@pytest.mark.parametrize(
    ("html", "scripts"),
    [
        ("<script>a()</script>", ["a()"]),
        ('<script src="x.js"></script>', []),
        ('<p>x</p><script type="module">\nimport "y"\n</script><script>b</script>', None),
        ("<script></script>", [""]),
        ("<script>if (a < b && c) '<p>'</script>", ["if (a < b && c) '<p>'"]),
    ],
)
def test_inline_scripts_are_found_as_they_are(html: str, scripts: list[str] | None) -> None:
    assert inline_scripts(html) == (['\nimport "y"\n', "b"] if scripts is None else scripts)


def test_every_inline_script_is_named_and_nothing_else_is_let_in(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.html").write_text("<script>alert(1)</script>")
    (tmp_path / "deep" / "b.html").write_text("<script>alert(2)</script><script>alert(1)</script>")
    policy = dict(part.strip().split(" ", 1) for part in of_pages(tmp_path).split(";"))
    # openssl dgst -sha256 -binary | base64
    first = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
    assert first in policy["script-src"]
    assert policy["script-src"].count("sha256-") == 2
    assert "unsafe" not in policy["script-src"]
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
