"""The drill's study from Python: it has figures of every family, and all that notebooks read."""

from collections import defaultdict

import matplotlib
import numpy as np
import pages
import pandas as pd
import pytest
import torch
from drawn_again import assert_shows
from notebook import ROOT, run_in

import brodmann


def test_every_figure_shows_what_the_workflow_drew(drilled, tmp_path):
    results = drilled.path / "results"
    study = brodmann.open_study(results)
    drawn = {file.stem for file in (results / "figures").glob("*.csv")}
    # Some were drawn of the same study with more models.
    assert set(study.figures) <= drawn and len(study.figures) > 30
    for name in study.figures:
        assert_shows(study.figure_data(name), results / "figures" / f"{name}.csv", tmp_path)


def test_every_table_can_be_read(drilled):
    study = brodmann.open_study(drilled.path / "results")
    names = {*study.tables["name"]}
    assert {"rivals", "granularity_lesions", "estimators", "stability_curve"} <= names
    for name in names:
        assert len(study.table(name).columns) > 2, name
    # Of a model of which only matrices are there, these are read; averages have to be asked for.
    effects = study.table("ablation_effects", measure="accuracy_drop")
    assert {*effects["model"]} == {"tiny", "theirs"}
    assert {*study.overlap("average")["model"]} == {"average"}


def test_a_study_is_read_in_a_notebook(study):
    assert "are in the circuits of" in run_in(study.path, "read-a-study")


def test_a_network_is_lesioned_in_a_notebook(study):
    assert "mean log-probability" in run_in(study.path, "lesion-a-network")


def test_questions_of_the_docs_are_answered(study, monkeypatch):
    """Every block of the page runs, and what it comes to is what the study says, or plain hooks do."""
    monkeypatch.chdir(study.path)
    said = {}
    text = pages.read(ROOT / "docs/notebooks.md").partition("## Some questions")[2]
    blocks = [block for language, block in pages.blocks(text) if language == "python"]
    assert len(blocks) == 6
    for block in blocks:
        exec(block, said)
    opened, model = said["study"], said["model"]
    sel, component = said["sel"], said["component"]
    path = study.path / f"results/{model}/overlap/{component}/{sel}.containment.csv"
    shares, found = pd.read_csv(path, index_col=0), defaultdict(list)
    for task in shares.index:
        for other in shares.columns.drop(task):
            found[task.split("/")[0], other.split("/")[0]].append(shares.loc[task, other])
    assert len(found) > 1
    for (domain, other), values in found.items():
        assert said["domains"].loc[domain, other] == pytest.approx(np.mean(values))
    conditions = [*said["cost"]["condition"]]
    assert {"all", "union", "top"} <= set(conditions) and not {"intact", "random"} & set(conditions)
    assert said["cost"]["times"].is_monotonic_decreasing and said["cost"]["times"].notna().all()
    assert list(said["accuracy"]) == sorted(opened.run_models)
    assert said["figure"].axes[0].images[0].get_cmap() == matplotlib.colormaps["Purples"]
    assert (study.path / "overlap.pdf").stat().st_size > 1000
    loaded, mask = said["loaded"], said["mask"]
    assert mask.sum() == len(said["circuit"]) > 0

    def silenced(own):
        return lambda module, inputs: (inputs[0] * ~own,)

    modules = [block.mlp.down_proj for block in loaded.hf.model.layers]
    hooks = [
        m.register_forward_pre_hook(silenced(own)) for m, own in zip(modules, mask, strict=True)
    ]
    with torch.no_grad():
        by_hand = loaded.hf(input_ids=said["ids"]).logits
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(by_hand, said["logits"])
