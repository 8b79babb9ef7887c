"""Every target over its corpus: what was once found stays found."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.fuzz.run import CORPUS, TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_holds(target: str) -> None:
    check = import_module(f"tests.fuzz.targets.{target}").check
    seeds = sorted(path for path in (CORPUS / target).iterdir())
    assert seeds, f"no corpus for {target}"
    broken: dict[Path, str] = {}
    for seed in seeds:
        try:
            check(seed.read_bytes())
        except Exception as error:
            broken[seed] = repr(error)
    assert broken == {}
