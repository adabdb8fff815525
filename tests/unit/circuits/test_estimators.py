"""The registry of estimators: what config, plans, tables and the methods section read of it."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from brodmann.circuits.estimators import COMPARED, ESTIMATORS, compared, estimator
from brodmann.circuits.estimators.exact import Exact
from brodmann.circuits.replicates import Accumulator
from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.figures.agreement import draw_agreement
from brodmann.report.methods import bibliography


def settings(root, tmp_path, **attribution):
    path = tmp_path / "config.yaml"
    chosen = ", ".join(f"{key}: {value}" for key, value in attribution.items())
    path.write_text(f"models: {{a: {{source: 'hf:o/n'}}}}\nattribution: {{{chosen}}}\n")
    return load_config([path], root=root).study.attribution


def test_it_is_light():
    """Config, Snakefile and plans read it."""
    heavy = ("torch", "numpy", "pandas", "nnsight", "transformers")
    code = (
        f"import sys, brodmann.circuits.estimators\nprint([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_says_what_it_is(root, tmp_path, name):
    found = settings(root, tmp_path, estimator=name, ig_steps=7, exact_units=9)
    own = estimator(found)
    assert own.name == name and own.label and own.summary
    assert own.rows(3, 2) >= own.rows(3, 1) >= 4
    entries = (root / "workflow" / "report" / "methods.bib").read_text(encoding="utf-8")
    assert bibliography(own.sentence(), entries + own.bibliography).count("@") >= 1
    assert found.estimation() == {
        "estimator": name,
        "gradient": "both_answers",
        **{"ig": {"steps": 7}, "ig_inputs": {"steps": 7}, "exact": {"units": 9}}.get(name, {}),
    }


def test_an_unknown_one_is_refused_with_what_is_meant(root, tmp_path):
    with pytest.raises(UserError, match=r"attribution\.estimator.*patching"):
        settings(root, tmp_path, estimator="patchin")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_comparisons_of_the_usual_ones_have_no_more_columns(root, tmp_path, name):
    """Stored comparisons are read again: another column would need another record."""
    names = [one.name for one in compared(settings(root, tmp_path, estimator=name))]
    usual = name in COMPARED or ESTIMATORS[name].measures
    assert names == [*COMPARED, *([] if usual else [name])]


def test_figure_has_a_panel_for_every_estimate():
    units = pd.DataFrame({"task": ["language/a"] * 2, "layer": [0, 1], "unit": [3, 4]})
    units = units.assign(in_mask=[1, 0], patching=[0.1, -0.2], ig=[1.0, 2.0], exact=[0.01, -0.1])
    summary = pd.DataFrame(columns=["task", "estimator", "rank_correlation", "sign_agreement"])
    figure = draw_agreement(units, summary, title="t")
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == [ESTIMATORS[n].label for n in ("patching", "ig")]
    assert "log-probability" in figure.axes[0].get_ylabel()
    # Panels can be compared, and the y axis shows that it is logarithmic.
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    ticks = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert ticks == ["−1", "−0.1", "0", "0.1", "1"]


def test_trials_are_pairs_of_an_estimator_and_positions(root, tmp_path):
    """Without any, what stages depend on is as it was."""
    tried = "{tasks: ['*/*'], estimators: [ig_inputs at all, atp_star at last, patching at all]}"
    found = settings(root, tmp_path, agreement=tried)
    pairs = (("ig_inputs", "all"), ("atp_star", "last"), ("patching", "all"))
    assert found.agreement.grid == pairs and found.agreement.positions == ("last", "all")
    assert found.agreement.plain_tasks == () and len(found.agreement.tried_tasks) > 40
    assert set(found.more_sites) == {"attention_output", "mlp_output"}
    assert "estimators" in found.comparison()
    usual = settings(root, tmp_path, agreement="{tasks: ['*/*']}")
    assert usual.agreement.tried_tasks == () and not usual.more_sites
    assert set(usual.comparison()) == {"tasks", "units", "items", "steps"}
    with pytest.raises(UserError, match=r"agreement\.estimators.*relp at all"):
        settings(root, tmp_path, agreement="{tasks: ['*/*'], estimators: [rlp at all]}")


def test_other_positions_are_other_attributions(root, tmp_path):
    estimations = [
        settings(root, tmp_path, positions=at).estimation() for at in ("last", "differing", "all")
    ]
    assert [one.get("positions") for one in estimations] == [None, "differing", "all"]
    assert settings(root, tmp_path).scores_answers
    assert not settings(root, tmp_path, positions="all").scores_answers


def test_units_that_first_order_finds_silent_are_not_measured():
    """A pass of a unit whose activation is the same in both prompts would measure rounding."""
    first = Accumulator(np.ones((1, 2)), (2, 3))
    first.add(
        [0, 1], np.array([[[0, 2, 0], [-3, 0, 1]], [[0, 1, 0], [-1, 0, 1]]], dtype=np.float32)
    )
    asked = []

    class Run:
        def exact_effects(self, items, component, units):
            asked.extend(units)
            return torch.ones(len(items), len(units), dtype=torch.float64)

    found = Exact(6).refined(Run(), "neurons", first, ["a", "b"])
    assert asked == [(0, 1), (1, 0), (1, 2)]
    assert found.mean.tolist() == [[0, 1, 0], [1, 0, 1]]
    asked.clear()
    Exact(2).refined(Run(), "neurons", first, ["a", "b"])
    assert asked == [(0, 1), (1, 0)]
