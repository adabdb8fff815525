"""How alike circuits of resampled items are: against sets, and the drawing of lists of any length."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from brodmann.circuits.masks import Selection
from brodmann.circuits.replicates import Strongest, bootstrap_weights
from brodmann.circuits.stability import Alike, counts_of, curve_weights, needed
from brodmann.circuits.stages.stability import write_stability
from brodmann.models.card import ModelCard
from brodmann.store.tensors import write_tensors


def test_jaccard_of_all_pairs():
    dice = np.random.default_rng(2)
    shared = dice.normal(size=200)
    drawn = (shared + 0.5 * dice.normal(size=(7, 200))).astype(np.float32)
    for sign, take in (("positive", lambda v: v), ("negative", lambda v: -v), ("absolute", abs)):
        circuits = [set(np.argsort(-take(row), kind="stable")[:10].tolist()) for row in drawn]
        pairs = [len(a & b) / len(a | b) for a, b in combinations(circuits, 2)]
        found = Alike.of(Strongest.of(drawn), Selection(sign, 5.0))
        assert found.n == 7 and found.mean == pytest.approx(np.mean(pairs))
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(pairs, [0.025, 0.975])))


def test_the_same_circuits_are_stable_and_others_are_not():
    same = np.tile(np.arange(100, dtype=np.float32), (3, 1))
    assert Alike.of(Strongest.of(same), Selection("positive", 5.0)).stable
    apart = np.eye(3, 100, dtype=np.float32)
    found = Alike.of(Strongest.of(apart), Selection("positive", 5.0))
    assert (found.mean, found.stable) == (0.0, False)
    # Of one circuit there are no pairs, and empty circuits say nothing.
    for none in (same[:1], np.zeros((4, 100), np.float32)):
        found = Alike.of(Strongest.of(none), Selection("positive", 5.0))
        assert np.isnan(found.mean) and not found.stable


def test_lists_of_fewer_items():
    """Whole groups, as many as asked for, with replacement; longer lists than the own one are left out."""
    groups = ["a", "b", "b", "c", "d", "e"]
    assert counts_of(groups, [9, 2, 5, 6]) == [2, 5]
    weights = curve_weights(groups, [9, 2, 5, 6], 40, "t")
    assert weights.shape == (80, 6) and weights.dtype == np.float32
    assert weights.sum(1) == pytest.approx(1, abs=1e-6)
    assert (weights[:, 1] == weights[:, 2]).all()  # items of a group go together
    two = (weights[:40][:, [0, 1, 3, 4, 5]] > 0).sum(1)
    assert set(two.tolist()) == {1, 2}
    # Two draws are the same group in one of five lists, about.
    assert 1 <= (two == 1).sum() <= 20
    # As long as the list itself: what bootstraps are.
    assert (weights[40:] == bootstrap_weights(groups, 40, "t/5")).all()
    assert curve_weights(groups, [], 40, "t").shape == (0, 6)
    assert curve_weights(groups, [9], 40, "t").shape == (0, 6)


@pytest.mark.parametrize(
    ("curve", "count"),
    [
        ({5: 0.2, 10: 0.5, 20: 0.85, 40: 0.9}, 20),
        ({5: 0.9, 10: 0.7, 20: 0.8}, 20),  # what falls again had not got there
        ({5: 0.9, 10: 0.79}, None),
        ({5: 0.8}, 5),
        ({}, None),
    ],
)
def test_the_count_at_which_circuits_become_stable(curve, count):
    assert needed({n: Alike(value) for n, value in curve.items()}) == count


def test_a_single_item_is_not_stable_for_being_drawn_alone(root, tmp_path):
    """All lists that are drawn of it hold it: their circuits are the same whatever the task is."""
    json = root / "tests/golden/kept/tiny/model.json"
    card = ModelCard.read(json)
    wide = card.n_layers * card.units("neurons")
    scores = np.tile(np.arange(wide, dtype=np.float32), (3, 1))
    files = {"language/one": 1, "language/two": 2}
    for task, items in files.items():
        facts = {"n_items": 4, "n_units": items}
        tensors = Strongest.of(scores).tensors("bootstraps")
        write_tensors(tmp_path / f"{task}.safetensors", tensors, facts)

    def write(*tasks, **more):
        write_stability(
            SimpleNamespace(selection=SimpleNamespace(signs=("positive",), main=5.0)),
            model_json=str(json),
            component="neurons",
            tasks=tasks,
            replicate_files=[f"{tmp_path}/{task}.safetensors" for task in tasks],
            manifest=str(tmp_path / "none.json"),
            table=str(tmp_path / "stability.csv"),
            **more,
        )

    # Neither does its curve say anything, which would be stable with one item.
    write("language/one", curves=str(tmp_path / "curve.csv"))
    assert pd.read_csv(tmp_path / "curve.csv").empty
    write(*files)
    table = pd.read_csv(tmp_path / "stability.csv").set_index("task")
    assert table["jaccard"].isna().tolist() == table["stable"].isna().tolist() == [True, False]
    assert table.loc["language/two", ["jaccard", "stable"]].tolist() == [1, 1]
