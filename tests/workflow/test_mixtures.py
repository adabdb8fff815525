"""A study of a mixture of experts: neurons are those of all experts, through all stages of circuits."""

import json

import numpy as np
import pandas as pd
import pytest
from clone import TASKS, set_up
from safetensors.numpy import load_file
from tiny_mixtures import MIXTURES
from tiny_models import save_tiny

SEL = "positive-2.0pct"
# Weights under which all three tasks have a contrast between clean and corrupted problems.
SEED = 10


@pytest.mark.slow
def test_circuits_of_experts(root, tmp_path):
    """The first block is dense and has 48 neurons; the others have 4 experts of 16."""
    weights = save_tiny(tmp_path / "weights", MIXTURES["deepseek-v3"], SEED)
    study = set_up(root, tmp_path / "clone", weights)
    study.write_config(
        {
            **study.config(),
            "selection": {"percents": [2.0], "main": 2.0},
            "attribution": {"bootstraps": 4, "splits": 2},
            "ablation": {"layer_matched_trials": 1, "random_trials": 1},
            "localizer": {"networks": []},
        }
    )
    study.snakemake()
    results = study.path / "results"
    card = json.loads((results / "tiny/model.json").read_text())
    experts = {"count": 4, "neurons": 16, "chosen": 2, "layers": [1, 2], "widths": [48, 64, 64]}
    assert card["experts"] == experts
    assert card["neurons_per_layer"] == 64 and card["architecture"]["mlp_hidden"] == ""
    for task in TASKS:
        scores = load_file(results / f"tiny/attribution/neurons/{task}.safetensors")["attribution"]
        assert scores.shape == (3, 64) and not scores[0, 48:].any() and scores[1:].any()
        mask = pd.read_csv(results / f"tiny/masks/neurons/{SEL}/{task}.csv")
        own = np.where(mask.layer > 0, mask.unit // 16, np.nan)
        np.testing.assert_array_equal(mask.expert, own)
        table = pd.read_csv(results / f"tiny/ablation/neurons/{SEL}/corrupted/{task}.csv")
        assert set(table.condition) == {"intact", "circuit", "layer_matched", "random"}
    units = pd.read_csv(results / "tiny/units/neurons.csv")
    np.testing.assert_array_equal(units.expert, np.where(units.layer > 0, units.unit // 16, np.nan))
    assert units.token.notna().all()
    assert (results / "report.html").is_file()
