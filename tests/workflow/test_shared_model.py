"""A study on a model that two processes share (``parallel: tensor``), from its config to its tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from golden.study import MODEL, STAGES, TARGETS, set_up_study
from safetensors.numpy import load_file

# Of the largest number in a file.
TOLERANCE = 1e-5


def numbers(value):
    """All numbers of a JSON value, in order."""
    if isinstance(value, dict):
        return [one for key in sorted(value) for one in numbers(value[key])]
    if isinstance(value, list):
        return [one for own in value for one in numbers(own)]
    return [float(value)] if isinstance(value, int | float) else []


def read(path: Path):
    """All numbers in a file of results."""
    if path.suffix == ".json":
        found = json.loads(path.read_text())
        return numbers({key: own for key, own in found.items() if key != "metadata"})
    if path.suffix == ".safetensors":
        tensors = load_file(path)
        return [float(one) for name in sorted(tensors) for one in tensors[name].ravel()]
    cells = [cell for row in csv.reader(path.read_text().splitlines()) for cell in row]
    return [float(cell) for cell in cells if cell and _is_number(cell)]


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


@pytest.mark.slow
def test_every_stage_gives_the_numbers_of_one_process(tmp_path):
    alone, shared = (set_up_study(tmp_path / name) for name in ("alone", "shared"))
    alone.snakemake(*TARGETS)
    config = shared.config()
    config["models"][MODEL] |= {"gpus": 2, "parallel": "tensor"}
    config["execution"] = {"device": "cpu"}
    shared.write_config(config)
    shared.snakemake(*TARGETS)
    passes = [entry for entry in shared.ledger(MODEL) if entry["model_loads"]]
    assert {entry["stage"] for entry in passes} == set(STAGES)
    logs = [path.read_text() for path in shared.path.glob(f"logs/{MODEL}/*_pass.log")]
    assert len(logs) == len(STAGES) - 1  # the check runs layers in turn
    assert all(f"{MODEL}, shared by 2 processes, loaded in" in log for log in logs)
    compared = 0
    for path in sorted((alone.path / "results" / MODEL).rglob("*")):
        if path.suffix not in (".json", ".safetensors", ".csv") or ".store" in path.parts:
            continue
        other = shared.path / path.relative_to(alone.path)
        found, expected = np.array(read(other)), np.array(read(path))
        assert found.shape == expected.shape, path
        scale = np.nanmax(np.abs(expected), initial=1.0)
        assert np.allclose(found, expected, rtol=0, atol=TOLERANCE * scale, equal_nan=True), path
        compared += len(expected)
    assert compared > 2000
    # Nothing is computed again in the other way.
    del config["models"][MODEL]["gpus"], config["models"][MODEL]["parallel"]
    shared.write_config(config)
    assert shared.planned(*TARGETS) == {}
