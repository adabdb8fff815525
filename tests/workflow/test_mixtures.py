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
            "attribution": {
                "components": ["neurons", "experts"],
                "bootstraps": 4,
                "splits": 2,
            },
            "ablation": {
                "kinds": ["corrupted", "mean"],
                "layer_matched_trials": 1,
                "activation_matched_trials": 1,
                "random_trials": 1,
            },
            "faithfulness": {
                "tasks": [TASKS[0]],
                "fractions": [0, 50, 100],
                "layer_matched_trials": 1,
                "random_trials": 1,
                "rivals": {"rounds": 1},
            },
            "statistics": {"permutations": 20, "experts": True},
            "localizer": {"networks": []},
        }
    )
    study.snakemake()
    results = study.path / "results"
    card = json.loads((results / "tiny/model.json").read_text())
    sizes = {"count": 4, "neurons": 16, "chosen": 2}
    assert card["experts"] == {**sizes, "layers": [1, 2], "widths": [48, 64, 64]}
    assert card["neurons_per_layer"] == 64 and card["architecture"]["mlp_hidden"] == ""
    for task in TASKS:
        scores = load_file(results / f"tiny/attribution/neurons/{task}.safetensors")["attribution"]
        assert scores.shape == (3, 64) and not scores[0, 48:].any() and scores[1:].any()
        mask = pd.read_csv(results / f"tiny/masks/neurons/{SEL}/{task}.csv")
        own = np.where(mask.layer > 0, mask.unit // 16, np.nan)
        np.testing.assert_array_equal(mask.expert, own)
        table = pd.read_csv(results / f"tiny/ablation/neurons/{SEL}/corrupted/{task}.csv")
        drawn = {"layer_matched", "activation_matched", "random"}
        assert set(table.condition) == {"intact", "circuit", *drawn}
        whole = load_file(results / f"tiny/attribution/experts/{task}.safetensors")["attribution"]
        # The first block's one MLP counts as one.
        assert whole.shape == (3, 4) and not whole[0, 1:].any()
        # A patched expert is patched neurons and weights; in a block without routers, the neurons alone.
        assert whole[0, 0] != 0 and whole[1:].any()
        assert abs(whole[0, 0] - scores[0].sum()) <= 1e-3 * abs(scores[0]).sum()
        mask = pd.read_csv(results / f"tiny/masks/experts/{SEL}/{task}.csv")
        np.testing.assert_array_equal(mask.expert, np.where(mask.layer > 0, mask.unit, np.nan))
        for kind in ("corrupted", "mean"):
            table = pd.read_csv(results / f"tiny/ablation/experts/{SEL}/{kind}/{task}.csv")
            assert set(table.condition) >= {"intact", "circuit", "random"}
    for component in ("neurons", "experts"):
        for name in ("areas", "rivals"):
            file = results / f"tiny/faithfulness/{component}.patching.{name}.csv"
            assert len(pd.read_csv(file))
        assert (results / f"tiny/overlap/{component}/{SEL}.containment.csv").is_file()
    profiles = pd.read_csv(results / f"tiny/experts/{SEL}.csv")
    assert (
        set(profiles.task) <= set(TASKS)
        and profiles.groupby("task").share.sum().round(9).eq(1).all()
    )
    assert set(pd.read_csv(results / "statistics/experts.csv").measure) == {
        "similarity",
        "concentration",
    }
    units = pd.read_csv(results / "tiny/units/neurons.csv")
    np.testing.assert_array_equal(units.expert, np.where(units.layer > 0, units.unit // 16, np.nan))
    assert units.token.notna().all()
    assert (results / "report.html").is_file()
