"""The GPU check runs: every section, on the CPU in tiny sizes. What is right is said in the check."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gpu.bundle import copy_tokenizer, pinned
from gpu.check import NAMES
from gpu.report import Report

CHECK = Path(__file__).resolve().parent / "check.py"
# Figures that depend on this machine's mood are left out: the check is of the code.
FIGURES = {
    "right": ("families compared", "largest of"),
    "attribution": ("share of the matmul rate", "times as fast", "same sign as the published"),
    "ablation": ("rows (lesion, item)", "times as fast"),
    "ingredients": (
        *("profile of attribution", "dense mask", "traced"),
        *("against float64: gradient", "against float64: replicates"),
    ),
    "large": ("attribution: planned", "ablation: planned"),
    "maps": ("canica", "IoU", "localizer pass", "networks pass"),
    "loading": ("start-up", "loaded from"),
    "packed": ("fp8: scores", "mxfp4: attributions"),
}


@pytest.mark.slow
def test_every_section_on_the_cpu(tmp_path):
    copy_tokenizer(tmp_path / "tokenizer")
    out = tmp_path / "out"
    options = ["--out", out, "--cpu", "--small", "--tokenizer", tmp_path / "tokenizer"]
    done = subprocess.run(
        [sys.executable, CHECK, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    assert done.returncode == 0, done.stdout
    found = json.loads((out / "check.json").read_text())
    assert {name: own["error"] for name, own in found["sections"].items()} == dict.fromkeys(
        NAMES, ""
    )
    for section, wanted in FIGURES.items():
        said = [line["what"] for line in found["lines"] if line["section"] == section]
        for what in wanted:
            assert any(what in one for one in said), (section, what, said)
    assert found["facts"]["torch"] and found["facts"]["card"] == "none"
    assert "Self CPU" in (out / "profile_ablation.txt").read_text()
    assert len(list(out.iterdir())) == 4  # check.json, check.txt, two profiles


def test_a_section_that_fails_is_told_and_the_file_is_whole(tmp_path, capsys):
    report = Report(tmp_path, {"card": "none"})
    report.add("one", "a rate", 0.39, least=0.4)
    report.add("one", "an error", 1e-5, most=1e-4)
    report.add("one", "a number that is none", float("nan"))
    report.end("one", 1.0)
    report.end("two", 2.0, "Traceback\nValueError: why")
    found = json.loads((tmp_path / "check.json").read_text())
    assert [line["met"] for line in found["lines"]] == [False, True, None, False]
    assert found["sections"]["two"]["error"].endswith("why")
    assert report.failed
    assert "MISSED" in (tmp_path / "check.txt").read_text()


def test_the_bundle_takes_locked_versions():
    from importlib.metadata import version

    assert f"nnsight=={version('nnsight')}" in pinned(("nnsight", "pydantic"))
