"""Folders that take their place only as a whole."""

import os
import time

import pytest

from brodmann.files import atomic_folder


def test_what_killed_writers_left_goes_when_it_is_old(tmp_path):
    old, young = tmp_path / ".atlas.old", tmp_path / ".atlas.young"
    other = tmp_path / ".atlas-of-mine"
    for left in (old, young, other):
        (left / "new").mkdir(parents=True)
        (left / "new" / "part.js").write_text("half")
    past = time.time() - 25 * 3600
    for path in (old, other):
        os.utime(path, (past, past))
    with atomic_folder(tmp_path / "atlas") as staging:
        staging.mkdir()
        (staging / "index.html").write_text("whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".atlas-of-mine", ".atlas.young", "atlas"]
    assert (tmp_path / "atlas/index.html").read_text() == "whole"


def test_a_folder_that_fails_leaves_the_earlier_one(tmp_path):
    (tmp_path / "atlas").mkdir()
    (tmp_path / "atlas/index.html").write_text("earlier")

    def fail():
        with atomic_folder(tmp_path / "atlas") as staging:
            staging.mkdir()
            (staging / "index.html").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["atlas"]
    assert (tmp_path / "atlas/index.html").read_text() == "earlier"
