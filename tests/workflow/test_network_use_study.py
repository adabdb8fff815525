"""What is done with networks, through the workflow: against plain hooks, and what is measured again."""

import math

import numpy as np
import pages
import pandas as pd
import pytest
import torch
from clone import SEED
from reference import log_probability
from small_networks import FOLDER, configure, templates
from tiny_models import tiny_model, tiny_tokenizer

EDITING = {
    "seeds": [0],
    "activation_matched_seeds": [5],
    "items": 4,
    "passages": 3,
    "amounts": {"multiply": [1.5], "add": [0.5]},
}
PASSAGES = ["a gull cried", "the plough stood still", "no road led there", "salt lay about"]


def set_up_use(study, **more):
    (study.path / "held.txt").write_text("\n\n".join(PASSAGES))
    editing = {**EDITING, "corpus": "held.txt", **more}
    return configure(
        study,
        threshold=1.5,
        editing=editing,
        probing={"tasks": ["*"], "items": 12, "folds": 3},
        following={"texts": 3},
    )


def table(study, name):
    return pd.read_csv(study.path / FOLDER / f"{name}.csv", keep_default_na=False)


def perplexity(mask, change):
    """Of the passages, per word, by hooks that change whole vectors."""
    model, tokenizer = tiny_model("llama", SEED), tiny_tokenizer()
    for layer, chosen in zip(model.model.layers, torch.from_numpy(mask), strict=True):
        layer.mlp.register_forward_hook(
            lambda m, a, out, chosen=chosen: torch.where(chosen, change(out), out)
        )
    rows = [tokenizer(text)["input_ids"] for text in PASSAGES[:3]]
    total = sum(log_probability(model, row[:1], row[1:]) for row in rows)
    return math.exp(-total / sum(len(text.split()) for text in PASSAGES[:3]))


@pytest.mark.slow
def test_what_networks_do(root, study):
    set_up_use(study)
    study.snakemake("network_uses")
    check_editing(study)
    check_pages(study)
    probing = table(study, "probing")
    assert set(probing.label) == {"answer", "domain"}
    assert probing[probing.condition == "intact"].accuracy.astype(float).between(0, 1).all()
    agreement = table(study, "agreement")
    assert set(agreement.space) == {"units", "written", "layers"}
    assert agreement.p.astype(str).str.len().gt(0).any()
    assert not (study.path / "results/statistics/fingerprint.csv").exists()
    assert study.planned("network_uses") == {}
    assert pages.unexplained(study.path / "results", root / "docs") == []

    # Of another seed only the random controls are measured again.
    before = set_up_use(study, seeds=[1])
    study.snakemake("network_uses")
    [entry] = study.ledger()[before:]
    assert entry["stage"] == "network_use" and entry["model_loads"] == 1
    assert 0 < entry["computed"] < entry["reused"] * 2


def check_editing(study):
    editing = table(study, "editing")
    rows = editing[editing.metric == "word_perplexity"]
    intact = rows[rows.condition == "intact"].value.astype(float).iloc[0]
    nothing = np.zeros((3, 32), dtype=bool)
    assert intact == pytest.approx(perplexity(nothing, lambda out: out), rel=1e-4)
    members = templates(study).members
    changes = {
        "inhibit": lambda out: out * 0,
        "multiply": lambda out: out * 1.5,
        "add": lambda out: out + 0.5,
    }
    for how, change in changes.items():
        own = rows[(rows.dataset == "sea") & (rows.how == how)].set_index("condition").value
        for name, mask in (("network-1", members[1]), ("all", members.any(0))):
            assert float(own[name]) == pytest.approx(perplexity(mask, change), rel=1e-4)
    sizes = rows[rows.control_of == "network-1"].n_units.astype(int)
    assert (sizes[rows.dataset == "sea"] == members[1].sum()).all()
    # Units that are as active are as many, of the same layers, and have tests of their own.
    matched = editing[editing.condition == "activation_matched"]
    assert set(matched.seed.astype(int)) == {5} and (matched.p_matched == "").all()
    tested = editing[(editing.metric == "perplexity") & (editing.p_matched != "")]
    assert {"network-0", "all", "top"} <= set(tested.condition) and not set(tested.condition) & {
        "random",
        "activation_matched",
        "intact",
    }
    assert set(editing.metric) == {"perplexity", "word_perplexity", "accuracy", "f1", "mcc"}


def check_pages(study):
    folder = study.path / FOLDER / "interpretation"
    for name in ("course.sea", "course.land", "corrected"):
        text = (folder / f"{name}.html").read_text(encoding="utf-8")
        assert "<script" not in text and text.startswith("<!DOCTYPE html>")
    # A character of two bytes, each a token: one cell with two stripes.
    assert ">б</span>" in (folder / "course.sea.html").read_text(encoding="utf-8")
    course = pd.read_csv(folder / "course.sea.csv", keep_default_na=False)
    sentence = (study.path / "stimuli/example/languages.txt").read_text(encoding="utf-8").strip()
    own = course[course.network == "network-0"]
    assert len(own) == len(sentence.encode())  # a token per byte
    connected = table(study, "connectivity")
    assert (connected[connected.network == connected.other].r.astype(float) == 1).all()


@pytest.mark.slow
def test_a_killed_pass_goes_on_where_it_was(study):
    set_up_use(study)
    store = study.path / "results/tiny/.store/network_use"

    def begun():
        return any(path.read_bytes().count(b"BRD1 ") > 12 for path in store.glob("*.open"))

    study.kill_snakemake("network_uses", when=begun)
    study.snakemake("--unlock")
    study.snakemake("network_uses")
    [entry] = [one for one in study.ledger() if one["stage"] == "network_use"]
    assert entry["reused"] > 10


def test_a_passage_that_networks_were_found_in_is_refused(study):
    set_up_use(study)
    sample = (study.path / "texts/sea/03.txt").read_text()
    files = sorted((study.path / "texts/sea").glob("*.txt"))
    (study.path / "held.txt").write_text("\n\n".join([path.read_text() for path in files]))
    done = study.snakemake("network_uses", check=False)
    assert sample and done.returncode != 0
    assert "is among the samples of networks.datasets.sea" in done.stdout
