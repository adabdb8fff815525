"""The recipe of a map (docs/extending.md): the files in ``fourth_map``, which it lists, are a fourth map."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from clone import SEED
from tiny_models import tiny_model, tiny_tokenizer

FILES = Path(__file__).with_name("fourth_map")
TEXTS = ["The cat sat.", "It is so."]


@pytest.fixture
def loudness(fresh):
    """The study with a fourth map."""
    for file in FILES.rglob("*.*"):
        if file.is_file() and "__pycache__" not in file.parts:
            place = fresh.path / file.relative_to(FILES)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(file.read_text())
    fresh.write_config({**fresh.config(), "loudness": {"texts": TEXTS, "units": 3}})
    return fresh


def python(clone, code):
    """What the clone's own package prints."""
    place = {**os.environ, "PYTHONPATH": str(clone.path / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=clone.path, env=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_recipe_lists_the_files_of_the_map(root):
    page = (root / "docs/extending.md").read_text()
    recipe = page[page.index("## A map") :]
    listed = [file.replace("NAME", "loudness") for file in re.findall(r"^\| `(.+?)`", recipe, re.M)]
    assert len(listed) + 1 <= 12  # and a line of the changelog
    ours = {file.relative_to(FILES).as_posix() for file in FILES.rglob("*.*") if file.is_file()}
    ours = {name for name in ours if "__pycache__" not in name}
    others = {"docs/loudness.md", "tests/unit/loudness/test_loudness.py"}
    assert {name for name in listed if "loudness" in name} == ours | others
    for name in set(listed) - ours - others:
        assert (root / name).exists(), name


def test_a_fourth_map_is_found_by_its_own_files(loudness):
    """Snakemake knows its jobs and figures, the config its section, with the page about it."""
    assert {"loudness_pass", "loudness_table", "loudness_figure"} <= loudness.planned().keys()
    page = python(
        loudness, "from brodmann.config.document import config_page; print(config_page())"
    )
    [section] = re.findall(r"## `loudness`\n(.*)", page, re.S)
    assert "Loudest units of every layer." in section
    assert "| `units` | integer, ≥ 1 | `2` | Units of each layer that are listed. |" in section
    loudness.write_config({**loudness.config(), "loudness": {"unit": 1}})
    refused = loudness.snakemake("--dry-run", check=False)
    assert refused.returncode == 1
    assert "loudness.unit: unknown key (did you mean 'units'?)" in refused.stdout


@pytest.mark.slow
def test_a_fourth_map_is_run_and_described(loudness):
    loudness.snakemake("results/figures/loudness.tiny.csv", "results/methods.md")
    rows = np.genfromtxt(
        loudness.path / "results/figures/loudness.tiny.csv", delimiter=",", names=True
    )
    loud = np.mean([np.abs(mlp_outputs(text)).T for text in TEXTS], axis=0)
    strongest = np.sort(loud, axis=0)[:-4:-1].T
    np.testing.assert_allclose(rows["loudness"], strongest.ravel(), rtol=1e-4)
    methods = (loudness.path / "results/methods.md").read_text()
    assert "Of each layer the 3 units were listed whose mean absolute activation over 2" in methods
    section = {**loudness.config()["loudness"], "units": 1}
    loudness.write_config({**loudness.config(), "loudness": section})
    assert loudness.planned("loudness").keys() == {"settings", "loudness_table"}


def mlp_outputs(text):
    """[layers, units]: means over the tokens, by plain transformers."""
    model, tokenizer = tiny_model("llama", SEED), tiny_tokenizer()
    found = []
    for block in model.model.layers:
        block.mlp.register_forward_hook(lambda _, __, out: found.append(out[0].mean(0).numpy()))
    with torch.no_grad():
        model(torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]]))
    return np.array(found)
