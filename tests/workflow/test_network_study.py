"""Networks through the workflow: templates against a plain decomposition, and what is decomposed again."""

import json

import numpy as np
import pandas as pd
import pytest
from clone import SEED
from planted import matching
from small_networks import FOLDER, configure, templates
from tiny_models import tiny_model, tiny_tokenizer


def table(study, name):
    return pd.read_csv(study.path / FOLDER / f"{name}.csv", keep_default_na=False)


@pytest.fixture
def networked(study):
    configure(study)
    study.snakemake("network_maps")
    return study


def test_networks_of_a_study(networked):
    """What is written, its agreement with scikit-learn on plain activations, and what a change recomputes."""
    study = networked
    found = templates(study)
    assert found.maps.shape == (3, 3, 32) and found.threshold == 3.6
    described = json.loads((study.path / FOLDER / "sea/templates.json").read_text())
    assert described["n_units"] == found.n_units.tolist() and described["samples"] == 6
    counts = table(study, "consistency")
    # As in the file, which has its keys sorted.
    assert counts.dataset.tolist() == ["land"] * 3 + ["sea"] * 3
    assert (counts.denominator == 16).all() and (counts.samples == 4).all()
    assert len(table(study, "template_iou")) == 15
    assert len(table(study, "sizes")) == 2 * (3 + 16)
    assert len(table(study, "layers")) == 2 * 4 * 3
    check_by_hand(study, found)
    assert study.planned("network_maps") == {}

    [entry] = [entry for entry in study.ledger() if entry["stage"] == "networks"]
    assert (entry["templates"], entry["samples"], entry["model_loads"]) == (2, 8, 1)

    # How templates are compared is decided without the model.
    before = configure(study, iou_threshold=0.5)
    study.snakemake("network_maps")
    assert len(study.ledger()) == before
    # Nor does it take the model to leave out the networks that depend on the start.
    found_in_all = table(study, "sizes").query("level == 'individual'")
    steady = found_in_all.stability.astype(float) >= 0.9
    before = configure(study, individual_kept="identified")
    study.snakemake("network_maps")
    assert len(study.ledger()) == before
    kept = table(study, "sizes").query("level == 'individual'")
    assert kept.n_units.tolist() == found_in_all.n_units[steady].tolist()
    counts = table(study, "consistency")
    assert counts.denominator.sum() == 3 * steady.sum() and (counts.found == 16).all()
    # More samples: only theirs are decomposed. The group's stay what they are.
    before = configure(study, individual_samples=6)
    study.snakemake("network_maps")
    [entry] = study.ledger()[before:]
    assert (entry["templates"], entry["samples"]) == (0, 4)
    assert np.array_equal(templates(study).maps, found.maps)
    # What is decomposed together changes everything.
    before = configure(study, scope="layer")
    study.snakemake("network_maps")
    [entry] = study.ledger()[before:]
    assert (entry["templates"], entry["samples"]) == (2, 8)
    assert templates(study).maps.shape == (9, 3, 32)


def check_by_hand(study, found):
    """Plain forward passes, numpy's SVD and scikit-learn's ICA come to the same maps."""
    import torch
    from sklearn.decomposition import fastica

    from brodmann.tasks.dice import Dice

    model, tokenizer = tiny_model("llama", SEED), tiny_tokenizer()
    files = sorted((study.path / "texts/sea").glob("*.txt"))
    samples = [file.read_text() for file in files]
    chosen = Dice("networks", 0, "sea").shuffled(list(range(12)))[:6]
    parts, outputs = [], []
    for layer in model.model.layers:
        layer.mlp.register_forward_hook(lambda *a: outputs.append(a[2][0]))
    for number in chosen:
        outputs.clear()
        with torch.no_grad():
            model(input_ids=torch.tensor([tokenizer(samples[number])["input_ids"][:20]]))
        parts.append(torch.cat(outputs, -1).double().numpy())
    signals = np.concatenate(parts)
    signals = (signals - signals.mean(0)) / signals.std(0)
    vt = np.linalg.svd(signals, full_matrices=False)[2][:3]
    maps = fastica(vt.T, fun="cube", whiten="unit-variance", tol=1e-8, max_iter=500, random_state=0)
    assert matching(maps[2].T, found.maps.reshape(3, -1)).min() > 0.99


@pytest.mark.slow
def test_a_killed_pass_goes_on_where_it_was(study):
    configure(study, individual_samples=6, restarts=10)
    folder = study.path / "results/tiny/.store/networks"

    def wrote():
        if not folder.is_dir():
            return False
        return any(path.read_bytes().count(b"BRD1 ") >= 2 for path in folder.iterdir())

    study.kill_snakemake("network_maps", when=wrote)
    [shard] = folder.iterdir()
    stored = shard.read_bytes().count(b"BRD1 ")
    study.snakemake("--unlock")
    before = len(study.ledger())
    study.snakemake("network_maps")
    [entry] = study.ledger()[before:]
    assert entry["templates"] + entry["samples"] <= 14 - stored


def test_what_is_wrong_is_said(study):
    configure(study, group_samples=10)
    failed = study.snakemake("network_maps", check=False)
    assert failed.returncode != 0
    assert "networks.datasets.land: 12 samples, 14 are needed" in failed.stdout
    assert "Traceback" not in failed.stdout
    configure(study, layers=[0, 7])
    failed = study.snakemake("network_maps", check=False)
    assert "tiny has no layer 7 (its layers are 0 to 2)" in failed.stdout
    assert "Traceback" not in failed.stdout


def test_without_datasets_nothing_is_sought(finished):
    assert finished.planned("networks") == {}
    done = finished.snakemake("networks")
    assert "networks.datasets names no texts" in done.stdout
