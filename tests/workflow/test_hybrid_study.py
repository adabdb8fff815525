"""Studies of models whose blocks differ, and of recurrences alone, through all of the workflow."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from clone import LOCALIZER, TASKS, set_up, write_networks
from rounding import assert_same
from safetensors.numpy import load_file
from scipy.stats import ttest_ind
from tiny_hybrids import HYBRIDS
from tiny_models import save_tiny, tiny_model, tiny_tokenizer

SEL = "positive-5.0pct"
# Weights under which tasks have a contrast between clean and corrupted problems.
SEED = 10


@pytest.mark.slow
def test_circuits_of_a_hybrid(root, tmp_path):
    """Attention in the second of three blocks: heads are units of that layer alone."""
    weights = save_tiny(tmp_path / "weights", HYBRIDS["lfm2"], SEED)
    study = set_up(root, tmp_path / "clone", weights)
    study.write_config(
        {
            **study.config(),
            "selection": {"percents": [5.0, 50.0], "main": 5.0},
            "granularity": {"levels": ["attention_layers", "mixed"]},
            "attribution": {"components": ["neurons", "heads"], "bootstraps": 4, "splits": 2},
            "ablation": {"layer_matched_trials": 1, "random_trials": 1},
            "localizer": {"networks": []},
        }
    )
    study.snakemake()
    results = study.path / "results"
    card = json.loads((results / "tiny/model.json").read_text())
    assert card["absent"] == {"heads": [0, 2], "attention_output": [0, 2]}
    assert (card["neurons_per_layer"], card["heads_per_layer"]) == (48, 4)
    for task in TASKS:
        scores = load_file(results / f"tiny/attribution/heads/{task}.safetensors")["attribution"]
        assert scores.shape == (3, 4) and not scores[[0, 2]].any() and scores[1].all()
        mask = pd.read_csv(results / f"tiny/masks/heads/{SEL}/{task}.csv")
        assert set(mask.layer) == {1}
        # Half of the four heads that there are, not of the twelve places.
        half = pd.read_csv(results / f"tiny/masks/heads/positive-50.0pct/{task}.csv")
        assert 0 < len(half) <= 2
    circuits = pd.read_csv(results / "tiny/granularity/circuits.csv")
    layers = circuits[circuits.part == "attention_output"]
    assert set(layers.layer) <= {1}
    lesions = pd.read_csv(results / "tiny/granularity/lesions.csv")
    alone = lesions[(lesions.level == "attention_layers") & (lesions.condition == "size_matched")]
    # There is no other layer with attention to be drawn.
    assert set(alone.k) == {0}
    assert (results / "report.html").is_file()


@pytest.mark.slow
def test_a_recurrence_alone(root, tmp_path):
    """Mamba 2 has neither neurons nor heads: it has baselines, localizers and networks of block outputs."""
    weights = save_tiny(tmp_path / "weights", HYBRIDS["mamba2"], SEED)
    study = set_up(root, tmp_path / "clone", weights)
    config = {
        **study.config(),
        "localizer": {**LOCALIZER, "site": "block_output"},
        "networks": {**write_networks(study), "site": "block_output"},
    }
    study.write_config(config)
    refused = study.snakemake("baselines", check=False)
    assert refused.returncode and "there are no neurons" in refused.stdout
    assert "or set it to [] (no circuits)" in refused.stdout
    study.write_config({**config, "attribution": {"components": []}})
    study.snakemake()
    results = study.path / "results"
    baseline = json.loads((results / f"tiny/baseline/{TASKS[0]}.json").read_text())
    assert len(baseline["items"]) == 12
    model, tokenizer, responses = tiny_model(HYBRIDS["mamba2"], SEED), tiny_tokenizer(), []
    for name in ("sentences", "nonwords"):
        values = []
        for line in (study.path / f"stimuli/language/{name}.txt").read_text().splitlines():
            row = torch.tensor([tokenizer(line.lower())["input_ids"][:12]])
            with torch.no_grad():
                states = model(row, output_hidden_states=True).hidden_states
            # Mamba lists what its blocks put out, and then the last of it normed; no embeddings.
            values.append(torch.stack(states[:-1])[:, 0, -1].abs().numpy())
        responses.append(np.stack(values).astype(float))
    expected = ttest_ind(*responses, axis=0, equal_var=False).statistic
    found = load_file(results / "tiny/localizer/language/selectivity.safetensors")["t"]
    assert_same(found, expected)
    maps = load_file(results / "tiny/networks/sea/templates.safetensors")["maps"]
    assert maps.shape == (2, 3, 32) and np.isfinite(maps).all()
    assert not list((results / "tiny").glob("masks/*")) and not (results / "tiny/overlap").exists()
    assert list((results / "figures").rglob("*network*.png"))
    for target in ("report", "atlas"):
        refused = study.snakemake(target, check=False)
        assert refused.returncode and f"a study without circuits has no {target}" in refused.stdout
