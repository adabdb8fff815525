"""docs/families.md is what comes out of every family of transformers, and none ends in a traceback."""

import os
import subprocess
import sys
from collections import Counter

import pytest
from families.outcome import FAILS, FALLBACK, PART, WORKS, Outcome
from families.page import page, statuses

from brodmann.models.families import TABLE

# Of the architecture table, but not of transformers.
REMOTE = {"chatglm"}


@pytest.fixture(scope="module")
def kept(root):
    return statuses((root / "docs/families.md").read_text(encoding="utf-8"))


def test_at_least_sixty_families_work_and_none_fails(kept):
    count = Counter(kept.values())
    assert count[WORKS] + count[FALLBACK] >= 60
    assert not count[FAILS]


def test_every_family_of_the_table_works(kept):
    known = {kind for family in TABLE for kind in family.model_types} - REMOTE
    assert {kind for kind in known if kept.get(kind) not in (WORKS, FALLBACK)} == set()


def test_a_page_says_what_became_of_each():
    found = [
        Outcome("a-b", "A", WORKS, ("heads", "block_output"), without={"neurons": "m: x | [y]"}),
        Outcome("c", "C", PART, ("block_output",), "", {"neurons": "no <z>", "heads": "none"}),
    ]
    text = page(found, "5")
    assert statuses(text) == {"a-b": WORKS, "c": PART}
    assert r"| `a-b` | A | yes | yes | neurons: m: x \| \[y\] |" in text
    assert r"| `c` | C | yes | neurons: no \<z\>; heads: none |" in text


@pytest.mark.slow
def test_the_page_is_what_comes_out(root, tmp_path, kept):
    file = tmp_path / "families.md"
    command = [sys.executable, root / "tests/families/matrix.py", "--again", "--out", file]
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = statuses(file.read_text(encoding="utf-8"))
    changed = {one: (kept.get(one), new) for one, new in found.items() if kept.get(one) != new}
    assert not changed, "run make families"
