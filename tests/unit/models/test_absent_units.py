"""Sizes, draws and chance levels of models whose layers differ count the units that exist, and no others."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from cards import card_of
from rounding import assert_same
from scipy.stats import false_discovery_control, spearmanr
from tiny_hybrids import HYBRIDS
from tiny_models import HEADS, NEURONS, tiny_model, tiny_tokenizer
from torch import nn

from brodmann.atlas.circuits import Circuits
from brodmann.atlas.collect import widths_of
from brodmann.circuits import orders
from brodmann.circuits.controls import size_matched
from brodmann.circuits.granularity import Grain, scores_at
from brodmann.circuits.masks import Selection, read_mask
from brodmann.circuits.replicates import Strongest
from brodmann.circuits.stages.attribution import write_masks
from brodmann.circuits.stages.faithfulness import Order
from brodmann.circuits.stages.overlap import write_overlaps
from brodmann.circuits.stages.stability import write_stability
from brodmann.comparison.map_agreement import layer_agreement, unit_agreement
from brodmann.config.localizer import Size
from brodmann.config.selection import SelectionSettings
from brodmann.localizers.selection import select
from brodmann.localizers.selectivity import Selectivity
from brodmann.models.load import wrap_model
from brodmann.models.population import Population
from brodmann.networks import conditions as sets
from brodmann.networks.decompose import decompose
from brodmann.networks.extraction import Extractor
from brodmann.networks.signals import ArraySignals
from brodmann.sites import LEVELS
from brodmann.statistics.composition import composition
from brodmann.statistics.stages.compared import _pair
from brodmann.store.tensors import write_tensors

TASKS = ("language/npi", "formal/brackets")


@pytest.fixture(scope="module")
def hybrid():
    """A recurrence, then attention, then an MLP alone."""
    return wrap_model(tiny_model(HYBRIDS["nemotron-h"]), tiny_tokenizer(), name="tiny")


@pytest.mark.parametrize("family", ["nemotron-h", "lfm2", "jamba"])
def test_the_units_of_a_model_are_those_of_its_modules(family, request):
    if family == "nemotron-h":
        model = request.getfixturevalue("hybrid")
    else:
        model = wrap_model(tiny_model(HYBRIDS[family]), tiny_tokenizer(), name="tiny")
    modules = dict(model.hf.named_modules())
    queries = sum(path.endswith("q_proj") for path in modules)
    downs = [m for m in modules.values() if isinstance(m, nn.Linear) and m.in_features == NEURONS]
    expected = {
        "heads": HEADS * queries,
        "neurons": NEURONS * len(downs),
        "attention_layers": queries,
        "mlp_layers": len(downs),
        "mixed": HEADS * queries + len(downs),
    }
    assert 0 < queries < model.n_layers
    card = card_of(model)
    assert {level: len(Population.of_level(card, level)) for level in LEVELS} == expected
    for site in ("heads", "mlp_hidden"):
        own, said = model.population(site), Population.at(card, site)
        assert own == said and own.width == model.units(site)


def test_a_population_of_parts_against_a_list():
    there = Population.joined([(3, [3, 0, 2]), (1, [1, 1, 0])], 3)
    listed = [0, 1, 2, 3, 7, 8, 9]
    assert there.shape == (3, 4) and len(there) == 7 and there.units.tolist() == listed
    assert [there.nth(n) for n in range(7)] == listed
    assert [there.number(unit) for unit in range(12)] == [0, 1, 2, 3, 4, 4, 4, 4, 5, 6, 7, 7]
    assert [there.units_of(layer) for layer in range(3)] == [4, 1, 2]
    drawn = {unit for n in range(60) for unit in size_matched([1, 7], there, n)}
    assert drawn == set(listed) - {1, 7}
    full = Population.joined([(3, [3, 3]), (1, None)], 2)
    assert full == Population(2, 4) and full.units.tolist() == list(range(8))


def test_circuits_of_every_level_are_shares_of_what_there_is(hybrid):
    """Of a component half, of the one layer that writes something all, not three times as many."""
    card, dice = card_of(hybrid), np.random.default_rng(0)
    own = {
        component: dice.normal(size=(3, card.units(component))).astype(np.float32) + 9
        for component in ("neurons", "heads")
    }
    own["heads"][[0, 2]] = own["neurons"][[0, 1]] = 0
    sizes = {}
    for level in LEVELS:
        there = Population.of_level(card, level)
        grain = Grain(level, Selection("positive", 50.0), {"a/x": scores_at(level, own)}, there)
        sizes[level] = len(grain.circuit("a/x"))
        assert set(grain.circuit("a/x")) <= set(there.units.tolist())
        drawn = [one for one in grain.lesions("m", "a/x", 20, 0) if one.condition != "mass_matched"]
        assert {unit for one in drawn for unit in one.units} <= set(there.units.tolist())
    assert sizes == {"neurons": 24, "heads": 2, "mixed": 2, "mlp_layers": 1, "attention_layers": 1}


def test_curves_end_with_the_units_that_exist(hybrid):
    there = Population.of_level(card_of(hybrid), "heads")
    scores = np.zeros((3, HEADS))
    scores[1] = [0.1, 0.4, -0.2, 0.3]
    own = orders.ranked(scores, "positive", there)
    assert own.tolist() == [5, 7, 4, 6]
    circuits = Order("own", 0, "positive", own, there).beginnings((0, 25, 50, 100))
    assert [one.n for one in circuits] == [0, 1, 2, 4]
    assert [one.whole for one in circuits] == [False, False, False, True]
    # What is silenced of a circuit: the units of the layer that are not in it; nothing of other layers.
    assert [(~one.mask).sum(1).tolist() for one in circuits] == [
        [0, count, 0] for count in (4, 3, 2, 0)
    ]


@dataclass(frozen=True)
class Asked:
    """What the light jobs read of a study."""

    selection: SelectionSettings


def test_masks_overlap_and_stability_of_a_hybrid(hybrid, tmp_path, monkeypatch):
    """50 % of four heads are two; of the twelve places of a mask they would be six, and all four be taken."""
    card, dice = card_of(hybrid), np.random.default_rng(1)
    asked = Asked(SelectionSettings(signs=("positive",), percents=(50.0,), main=50.0))
    card.write(tmp_path / "model.json", {})
    scores, halves = {}, {}
    for task in TASKS:
        scores[task] = np.zeros((3, HEADS), np.float32)
        scores[task][1] = dice.uniform(1, 2, HEADS)
        replicates = np.zeros((8, 3 * HEADS), np.float32)
        replicates[:, HEADS : 2 * HEADS] = dice.uniform(1, 2, (8, HEADS))
        halves[task] = replicates
        kept = Strongest.of(replicates, 50.0)
        tensors = kept.tensors("halves") | kept.tensors("bootstraps")
        path = tmp_path / "replicates" / f"{task}.safetensors"
        write_tensors(path, tensors, {"n_items": 4, "n_units": 4})
        path = tmp_path / "attribution" / f"{task}.safetensors"
        write_tensors(path, {"attribution": scores[task]}, {})
        write_masks(
            asked,
            model_json=str(tmp_path / "model.json"),
            component="heads",
            attribution=str(path),
            outputs=[str(tmp_path / "masks" / "positive-50.0pct" / f"{task}.csv")],
            task=task,
        )
    best = {task: set((HEADS + np.argsort(-own[1])[:2]).tolist()) for task, own in scores.items()}
    for task in TASKS:
        path = tmp_path / "masks" / "positive-50.0pct" / f"{task}.csv"
        assert set(read_mask(path, HEADS, card.origin("heads")).units.tolist()) == best[task]
    files = [str(tmp_path / "replicates" / f"{task}.safetensors") for task in TASKS]
    shared = {"model_json": str(tmp_path / "model.json"), "component": "heads", "tasks": TASKS}
    used = SimpleNamespace(used_ids=[1, 2])
    monkeypatch.setattr("brodmann.circuits.stages.overlap.Baseline.read", lambda _: used)
    write_overlaps(
        asked,
        **shared,
        baseline_files=["", ""],
        mask_folder=str(tmp_path / "masks"),
        replicate_files=files,
        folder=str(tmp_path / "overlap"),
    )
    found = pd.read_csv(tmp_path / "overlap" / "positive-50.0pct.containment.csv", index_col=0)
    assert found.iloc[0, 1] == pytest.approx(len(best[TASKS[0]] & best[TASKS[1]]) / 2)
    rates = pd.read_csv(tmp_path / "overlap" / "positive-50.0pct.reliability.csv")
    for task, rate in zip(rates.task, rates.split_containment, strict=True):
        tops = [set(np.argsort(-row)[:2].tolist()) for row in halves[task]]
        pairs = [len(tops[n] & tops[n + 1]) / 2 for n in range(0, 8, 2)]
        assert rate == pytest.approx(np.mean(pairs))
    write_stability(
        asked,
        **shared,
        replicate_files=files,
        manifest="",
        table=str(tmp_path / "stability.csv"),
    )
    assert pd.read_csv(tmp_path / "stability.csv").n_circuit.tolist() == [2, 2]


def test_localizers_take_shares_of_units_that_exist_and_correct_over_them():
    there, dice = Population.of(3, 20, (20, 0, 20)), np.random.default_rng(2)
    t, p = dice.normal(size=(3, 20)), dice.uniform(0, 0.1, size=(3, 20))
    t[1], p[1] = 0, 1
    every = Selectivity(t, p, np.ones_like(p))
    found = every.among(there.units)
    assert_same(found.p_fdr[[0, 2]], false_discovery_control(p[[0, 2]].ravel()).reshape(2, 20))
    assert (found.p_fdr[1] == 1).all()
    taken = select(found, Size(percentage=10.0), n_units=len(there))
    assert sorted(taken.units) == sorted(np.argsort(-t.ravel())[:4])


def test_networks_are_standardised_over_units_that_exist(hybrid):
    """Maps of the one layer that has an MLP are those of its signals by themselves."""
    dice = np.random.default_rng(3)
    rows = [tuple(dice.integers(3, 60, 40).tolist()) for _ in range(3)]
    extractor = Extractor(hybrid, site="mlp_output")
    values = np.concatenate([own for _, own in sorted(extractor.runs(rows))])
    assert values.shape == (120, hybrid.hidden_size)
    how = {"restarts": 1, "seed": 0}
    found = decompose(ArraySignals(values, extractor.layout), 3, **how)
    alone = decompose(ArraySignals.of(values), 3, **how)
    assert found.maps.shape == (3, 3, hybrid.hidden_size) and not found.maps[:, :2].any()
    assert_same(found.maps[:, 2], alone.maps[:, 0])
    # Layer by layer there is one window, as one layer has the site.
    layered = decompose(ArraySignals(values, extractor.layout), 3, scope="layer", **how)
    assert_same(layered.maps, found.maps)
    there = hybrid.population("mlp_output")
    drawn = [one.units for one in sets.random_share(50.0, there, range(9))]
    assert {len(one) for one in drawn} == {len(there) // 2} and len(there) == hybrid.hidden_size
    assert set(np.concatenate(drawn)) <= set(there.units)
    like = sets.Condition("a", "top", there.units[:5])
    drawn = [one.units for one in sets.random_like(like, there, range(9))]
    assert set(np.concatenate(drawn)) <= set(there.units[5:])


def test_maps_are_compared_within_what_layers_have():
    there, dice = Population.of(4, 30, (30, 0, 10, 0)), np.random.default_rng(4)
    one = np.concatenate([dice.choice(30, 12, False), 60 + dice.choice(10, 6, False)])
    other = np.concatenate([dice.choice(30, 12, False), 60 + dice.choice(10, 6, False)])
    null = []
    for _ in range(4000):
        moved = np.concatenate([dice.permutation(30)[:12], 60 + dice.permutation(10)[:6]])
        null.append(sets.iou(moved, other))
    found = unit_agreement(one, other, there, seed=0)
    assert found.chance == pytest.approx(np.mean(null), rel=0.03)
    # Two layers have units: they change places in half of the draws, and nothing else can.
    shares = np.array([0.75, 0, 0.25, 0])
    found = layer_agreement(shares, shares, (0, 2), seed=0)
    assert found.observed == 1 and found.chance == pytest.approx(0.75, abs=0.03)
    assert found.p == pytest.approx(0.5, abs=0.06)


def test_domains_take_shares_of_units_that_exist():
    scores = np.zeros((4, 25), np.float32)
    scores[1] = np.random.default_rng(5).uniform(1, 2, 25)
    table = composition({"language/npi": scores}, 20.0, 25)
    assert table[table.owner == "language"]["count"].tolist() == [0, 5, 0, 0]


def test_pairs_of_models_are_correlated_over_units_that_exist(hybrid, tmp_path):
    dice, made = np.random.default_rng(6), []
    for name in ("one", "other"):
        card_of(hybrid, name).write(tmp_path / name / "model.json", {})
        made.append(np.zeros((3, HEADS), np.float32))
        made[-1][1] = dice.normal(size=HEADS)
        write_tensors(tmp_path / name / "a.safetensors", {"attribution": made[-1]}, {})
    folders = [tmp_path / "one", tmp_path / "other"]
    first, second = _pair(folders, "a.safetensors", "attribution", "heads")
    assert first.shape == (HEADS, 1)
    expected = spearmanr(made[0][1], made[1][1])[0]
    assert spearmanr(first[:, 0], second[:, 0])[0] == pytest.approx(expected)


def test_the_atlas_ranks_units_that_exist_and_says_how_many_layers_have(hybrid, tmp_path):
    card_of(hybrid).write(tmp_path / "model.json", {})
    assert (
        widths_of(tmp_path, "heads") == [0, HEADS, 0]
        and widths_of(tmp_path, "block_output") is None
    )
    scores = np.zeros((1, 3, HEADS), np.float32)
    scores[0, 1] = [0.2, -0.5, 0.7, -0.1]
    ranks = Circuits(["a/x"], scores, {}, ["a"], widths_of(tmp_path, "heads")).ranks[0]
    assert ranks[1].tolist() == [2, 4, 1, 3] and ranks[[0, 2]].min() == HEADS + 1
