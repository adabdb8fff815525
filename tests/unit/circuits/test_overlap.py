"""Masks and overlap: by definition on toys, against plain loops, and against the published matrices."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from brodmann.circuits.masks import (
    Selection,
    read_mask,
    select_units,
    selections,
    strength_of,
    strongest,
    write_mask,
)
from brodmann.circuits.overlap import (
    Reliability,
    bootstrap_within_cross,
    ceilings,
    containment,
    doubly_stochastic,
    interval,
    jaccard,
    noise_corrected,
    overlap_matrices,
    pair_ceilings,
    reliability,
    shared_units,
    within_cross,
)
from brodmann.circuits.replicates import Strongest, bootstrap_weights, half_weights
from brodmann.config.selection import SelectionSettings
from brodmann.errors import UserError
from brodmann.store.masks import Origin

RNG = np.random.default_rng(0)
NEURONS = Origin("m", "sha256:0123456789ab", "mlp_hidden")


# Masks


def naive_mask(attribution, sign, percent):
    """The definition: sort everything, take k, drop the wrong sign."""
    flat = attribution.reshape(-1)
    k = max(1, int(flat.size * percent / 100))
    strength = {"positive": flat, "negative": -flat, "absolute": abs(flat)}[sign]
    order = sorted(range(flat.size), key=lambda unit: (-strength[unit], unit))
    return [unit for unit in order[:k] if strength[unit] > 0]


@pytest.mark.parametrize("sign", ["positive", "negative", "absolute"])
@pytest.mark.parametrize("percent", [0.05, 0.1, 1, 5.0, 37.5, 100])
def test_masks_follow_the_definition(sign, percent):
    for attribution in (
        RNG.normal(size=(4, 60)).astype(np.float32),
        RNG.integers(-2, 3, size=(4, 60)).astype(np.float32),  # ties everywhere
        np.zeros((4, 60), np.float32),
        -np.ones((2, 30), np.float32),
    ):
        mask = select_units(attribution, Selection(sign, percent))
        assert mask.units.tolist() == naive_mask(attribution, sign, percent)
        assert (mask.scores == attribution.reshape(-1)[mask.units]).all()


def test_the_smallest_mask_has_one_unit():
    mask = select_units(np.arange(6.0, dtype=np.float32).reshape(2, 3), Selection("positive", 0.01))
    assert mask.units.tolist() == [5] and mask.layers.tolist() == [1]


def test_nan_is_an_error_that_names_the_place():
    values = np.zeros((2, 3), np.float32)
    values[1, 1] = np.nan
    with pytest.raises(UserError, match="social/agent: the attribution holds NaN"):
        select_units(values, Selection("positive", 1), "social/agent")


def test_names_of_selections():
    names = [selection.name for selection in selections(["positive"], [0.05, 1, 5.0])]
    assert names == ["positive-0.05pct", "positive-1.0pct", "positive-5.0pct"]


def test_mask_files_give_back_every_bit(tmp_path):
    selection = Selection("absolute", 20)
    mask = select_units(RNG.normal(size=(5, 40)).astype(np.float32), selection)
    write_mask(tmp_path / "m.csv", mask, NEURONS, selection)
    again = read_mask(tmp_path / "m.csv", 40, NEURONS)
    assert (again.units == mask.units).all() and (again.scores == mask.scores).all()
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert lines[0] == "layer,unit,score,model,weights,site,selection"
    assert len(lines) == 1 + len(mask)
    other = replace(NEURONS, weights="sha256:ffffffffffff")
    for wrong in (other, replace(NEURONS, site="heads")):
        with pytest.raises(UserError, match=r"is a mask of 'm' .*, mlp_hidden, not of 'm'"):
            read_mask(tmp_path / "m.csv", 40, wrong)
    read_mask(tmp_path / "m.csv", 40, replace(NEURONS, model="renamed"))
    for text, what in (
        ("layer,unit\n1,2\n", "not a mask"),
        # As they were before they said what they are masks of.
        ("layer,unit,score\n1,2,0.5\n", "does not say of which model .*snakemake .* masks"),
        (of_neurons("1,2,0.5", "1,2,0.4"), "a unit stands twice or has no score"),
        (of_neurons("1,2,inf"), "a unit stands twice or has no score"),
        *((of_neurons(f"{place},0.5"), "is not layer,unit,score") for place in STRANGE_PLACES),
        (of_neurons("1,2,high"), "is not layer,unit,score"),
    ):
        (tmp_path / "m.csv").write_text(text)
        with pytest.raises(UserError, match=what):
            read_mask(tmp_path / "m.csv", 40, NEURONS)
    (tmp_path / "m.csv").write_text(of_neurons("0,39,0.5", "2,0,0.25"))
    assert read_mask(tmp_path / "m.csv", 40, NEURONS).units.tolist() == [39, 80]
    # A circuit may be empty, and is held against others like any.
    none = select_units(np.zeros((5, 40), np.float32), selection)
    write_mask(tmp_path / "m.csv", none, NEURONS, selection)
    again = read_mask(tmp_path / "m.csv", 40, NEURONS)
    assert shared_units([again.units, np.array([39])]).tolist() == [[0, 0], [0, 1]]


STRANGE_PLACES = ("-1,2", "1,-1", "1,40", "100001,2", "1.5,2", "one,2")


def of_neurons(*rows):
    """A mask file with these rows."""
    last = ",".join((NEURONS.model, NEURONS.weights, NEURONS.site, "positive-5.0pct"))
    head = "layer,unit,score,model,weights,site,selection"
    return "\n".join([head, *(f"{row},{last}" for row in rows)]) + "\n"


@pytest.mark.parametrize("sign", ["positive", "negative", "absolute"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_strength_of_a_unit(sign, kind):
    """0 for what the sign does not take; and the strongest are those of the definition, in any precision."""
    scores = np.array([[0.5, -2.0, 0.0], [1.5, -0.25, 0.5]], dtype=kind)
    expected = {
        "positive": [[0.5, 0, 0], [1.5, 0, 0.5]],
        "negative": [[0, 2, 0], [0, 0.25, 0]],
        "absolute": [[0.5, 2, 0], [1.5, 0.25, 0.5]],
    }[sign]
    assert strength_of(scores, sign).tolist() == expected
    for count in (1, 2, 3, 6):
        found = strongest(scores.reshape(-1), sign, count).tolist()
        flat = np.array(expected).reshape(-1)
        order = sorted(range(6), key=lambda unit: (-flat[unit], unit))
        assert found == [unit for unit in order[:count] if flat[unit] > 0]


# Overlap


@pytest.mark.filterwarnings("error")
def test_measures_follow_the_definitions():
    circuits = {
        "language/a": np.array([1, 2, 3, 4]),
        "language/b": np.array([3, 4, 5, 9]),
        "formal/c": np.array([1, 9]),  # fewer than k were positive
        "formal/d": np.array([], dtype=np.int64),
    }
    tables, empty = overlap_matrices(circuits, k=4)
    for (a, first), (b, second) in combinations(circuits.items(), 2):
        shared = len(set(first.tolist()) & set(second.tolist()))
        union = len(set(first.tolist()) | set(second.tolist()))
        assert tables["containment"].loc[a, b] == tables["containment"].loc[b, a] == shared / 4
        if union:
            assert tables["jaccard"].loc[a, b] == shared / union
    assert tables["containment"].loc["formal/c", "formal/c"] == 0.5
    assert np.isnan(tables["jaccard"].loc["formal/d", "formal/d"])
    assert empty == ["formal/d"] and tables["doubly_stochastic"].loc["formal/d"].isna().all()
    rest = tables["doubly_stochastic"].drop("formal/d").drop(columns="formal/d")
    assert rest.notna().all().all()


def test_doubly_stochastic_matrices_sum_to_one():
    values = RNG.random((12, 12))
    values = (values + values.T) / 2
    scaled, empty = doubly_stochastic(values)
    assert empty == [] and (np.diag(scaled) == 0).all()
    assert np.allclose(scaled.sum(0), 1) and np.allclose(scaled.sum(1), 1)
    # It is D1 M D2: the off-diagonal cross ratios are those of the original.
    ratio = lambda m: m[0, 1] * m[2, 3] / (m[0, 3] * m[2, 1])  # noqa: E731
    assert ratio(scaled) == pytest.approx(ratio(values))
    assert np.isnan(doubly_stochastic(np.eye(3))[0]).all()


def test_published_doubly_stochastic_matrices_are_reproduced(reference):
    pairs = sorted(reference.glob("*/overlap/*_doubly_stochastic.csv"))
    assert len(pairs) >= 10
    for path in pairs:
        raw = pd.read_csv(path.with_name(path.name.replace("_doubly_stochastic", "")), index_col=0)
        expected = pd.read_csv(path, index_col=0)
        found, _ = doubly_stochastic(raw.loc[expected.index, expected.columns].to_numpy())
        assert np.abs(found - expected.to_numpy()).max() < 2e-6, path


def test_within_and_cross_are_off_diagonal_means(reference):
    known = {"mistralai_Mistral-Small-24B-Instruct-2501": (11.1, 3.2)}
    for model, (within, cross) in known.items():
        table = pd.read_csv(
            reference / model / "overlap" / "positive_0.1pct_overlap.csv", index_col=0
        )
        found = within_cross(table.to_numpy(), [label.split("/")[0] for label in table.index])
        assert (round(100 * found.within, 1), round(100 * found.cross, 1)) == (within, cross)


def test_within_and_cross_leave_out_the_diagonal_and_what_is_missing():
    assert np.isnan(within_cross(np.zeros((2, 2)), ["x", "y"]).ratio)  # nothing across
    toy = np.array([[9, 1, 2], [1, 9, 3], [2, np.nan, 9]], dtype=float)
    found = within_cross(toy, ["x", "x", "y"])
    assert (found.within, found.cross, found.ratio) == (1, 7 / 3, 3 / 7)


# Replicates


def test_halves_share_no_group_and_cover_all():
    groups = [f"g{n // 3}" for n in range(60)]
    weights = half_weights(groups, 10, seed=3)
    assert weights.shape == (20, 60) and np.allclose(weights.sum(1), 1)
    for split in range(10):
        first, second = weights[2 * split] > 0, weights[2 * split + 1] > 0
        assert (first ^ second).all() and abs(int(first.sum()) - int(second.sum())) <= 3
        assert not {g for g, f in zip(groups, first, strict=True) if f} & {
            g for g, s in zip(groups, second, strict=True) if s
        }
    assert (half_weights(groups, 10, seed=3) == weights).all()
    assert (half_weights(groups, 10, seed=4) != weights).any()
    assert (half_weights(["one"] * 4, 2, 0) > 0).sum(1).tolist() == [2, 2, 2, 2]
    assert half_weights(["one"], 2, 0).shape == (0, 1)  # one item has no halves


def test_ceilings_are_of_one_kind():
    both, split = Reliability(0.4, 0.3, 0.5, 0.4), Reliability(0.6, 0.5, np.nan, np.nan)
    assert ceilings({"a": both, "b": both}) == ("seed", {"a": 0.5, "b": 0.5})
    assert ceilings({"a": both, "b": split}) == ("split", {"a": 0.4, "b": 0.6})
    assert ceilings({}) == ("split", {})


@pytest.mark.parametrize("percent", [5.0, 20.0, 50.0])
def test_large_masks_are_as_reliable_as_they_are(percent):
    """Replicates must keep what the largest mask needs: two equal halves overlap wholly."""
    same = np.tile(RNG.normal(size=400).astype(np.float32), (2, 1))
    selection = Selection("positive", percent)
    full = select_units(same[:1], selection).units
    kept = SelectionSettings(signs=("positive",), percents=(percent,), main=percent).kept
    found = reliability(Strongest.of(same, kept), selection, full, None)
    assert found.split_jaccard == 1 and found.split_containment == len(full) / int(4 * percent)


def test_a_matrix_that_cannot_be_scaled_is_nan():
    """Two tasks that overlap with a third only: no doubly stochastic matrix has these zeros."""
    star = np.array([[1, 0.5, 0.5], [0.5, 1, 0], [0.5, 0, 1]])
    scaled, unscaled = doubly_stochastic(star)
    assert np.isnan(scaled).all() and unscaled == [0, 1, 2]


def test_bootstraps_draw_whole_groups():
    groups = [f"g{n // 2}" for n in range(40)]
    weights = bootstrap_weights(groups, 200, seed=0)
    assert np.allclose(weights.sum(1), 1) and (weights[:, ::2] == weights[:, 1::2]).all()
    assert np.allclose(weights.mean(0), 1 / 40, atol=0.01)


@pytest.mark.parametrize("sign", ["positive", "negative", "absolute"])
@pytest.mark.parametrize("percent", [0.1, 1.0, 5.0])
def test_replicates_keep_what_masks_need(sign, percent):
    attributions = np.round(RNG.normal(size=(3, 400)), 1).astype(np.float32)  # with ties
    kept = Strongest.of(attributions)
    for row, values in enumerate(attributions):
        expected = select_units(values.reshape(4, 100), Selection(sign, percent))
        assert kept.mask(row, Selection(sign, percent)).units.tolist() == expected.units.tolist()


def test_reliability_is_one_for_sure_circuits_and_low_for_noise():
    sure = np.tile(np.arange(1000, 0, -1, dtype=np.float32), (20, 1))
    selection = Selection("positive", 5.0)
    full = sure[0].argsort()[::-1][:50]
    found = reliability(Strongest.of(sure), selection, full, full)
    assert found.split_containment == found.split_jaccard == found.seed_containment == 1
    noise = Strongest.of(RNG.normal(size=(20, 1000)).astype(np.float32))
    found = reliability(noise, selection, full, None)
    assert found.split_containment < 0.2 and np.isnan(found.seed_jaccard)
    assert np.isnan(found.seed_containment)


def test_reliability_is_the_mean_overlap_of_the_two_halves_of_each_split():
    """Halves of one split have much in common, and those of two splits little."""
    dice = np.random.default_rng(2)
    rows = []
    for _ in range(4):
        common = dice.normal(size=300)
        rows += [common + dice.normal(0, 0.4, 300), common + dice.normal(0, 0.4, 300)]
    rows = np.array(rows, dtype=np.float32)
    selection, k = Selection("positive", 5.0), 15
    units = [set(row.argsort()[::-1][:k].tolist()) for row in rows]
    pairs = [(units[n], units[n + 1]) for n in (0, 2, 4, 6)]
    full = np.array(sorted(units[0]))
    second = np.array([*full[:6], *(unit for unit in range(300) if unit not in units[0])][:11])
    found = reliability(Strongest.of(rows), selection, full, second)
    assert found.split_containment == pytest.approx(np.mean([len(a & b) / k for a, b in pairs]))
    jaccards = [len(a & b) / len(a | b) for a, b in pairs]
    assert found.split_jaccard == pytest.approx(np.mean(jaccards))
    # The second seed's circuit is smaller: of k = 15 they share 6, of 20 units that either has.
    assert (found.seed_containment, found.seed_jaccard) == pytest.approx((6 / 15, 6 / 20))
    # A last replicate without its other half is of no split; without any there is no reliability.
    odd = reliability(Strongest.of(rows[:7]), selection, full, None)
    first = np.mean([len(a & b) / k for a, b in pairs[:3]])
    assert odd.split_containment == pytest.approx(first)
    assert np.isnan(reliability(Strongest.of(rows[:1]), selection, full, None).split_jaccard)


def test_noise_correction_divides_by_the_ceiling():
    raw = pd.DataFrame([[1, 0.2], [0.2, 1]], ["a", "b"], ["a", "b"])
    found = noise_corrected(raw, {"a": 0.5, "b": 0.8})
    assert found.loc["a", "b"] == pytest.approx(0.2 / np.sqrt(0.4))
    assert found.loc["a", "a"] == 0.5 and noise_corrected(raw, {"a": 0.5}).isna().loc["a", "b"]
    assert np.isnan(noise_corrected(raw, {"a": 0.0, "b": 0.8}).loc["a", "b"])
    expected = np.array([[0.5, np.nan, 0.2], [np.nan, np.nan, np.nan], [0.2, np.nan, 0.08]])
    np.testing.assert_allclose(pair_ceilings("axb", {"a": 0.5, "b": 0.08}), expected)


def test_intervals_are_about_the_estimate():
    tasks = ["language/a", "language/b", "formal/c", "formal/d"]
    attributions = {task: RNG.normal(size=(30, 500)).astype(np.float32) for task in tasks}
    attributions["language/b"] = attributions["language/a"] + 0.1
    found = bootstrap_within_cross(
        {task: Strongest.of(own) for task, own in attributions.items()}, Selection("positive", 5.0)
    )
    assert len(found) == 30 and bootstrap_within_cross({}, Selection("positive", 5.0)) == []
    k, first = 25, {}
    for task, own in attributions.items():
        first[task] = set(own[0].argsort()[::-1][:k].tolist())
    expected = len(first["language/a"] & first["language/b"]) / k
    expected = (expected + len(first["formal/c"] & first["formal/d"]) / k) / 2
    assert found[0].within == pytest.approx(expected)
    low, high = interval(0.7, [one.within for one in found])
    assert low < 0.7 < high and high - low < 0.3
    assert np.isnan(interval(0.7, [0.5])).all()


def test_an_interval_has_the_spread_of_the_replicates_and_the_place_of_the_estimate():
    """201 replicates, evenly from 0 to 2 about 1: 95 % of them are within 0.95 of their mean."""
    replicates = [*np.random.default_rng(0).permutation(201) / 100]
    assert interval(5.0, replicates) == pytest.approx((4.05, 5.95))
    assert interval(5.0, replicates, level=0.5) == pytest.approx((4.5, 5.5))
    assert interval(5.0, [0.5, 0.5]) == (5, 5)
    # A draw of tasks that share nothing across domains has no ratio, which may be as large as any.
    assert np.isnan(interval(5.0, [*replicates, np.nan])).all()
    assert np.isnan(interval(5.0, [*replicates, np.inf])).all()
    # A spread that leans: what lies far above the mean of the replicates reaches as far above the estimate.
    low, high = interval(5.0, [0.0] * 10 + [1.1])
    assert (low, high) == pytest.approx((4.9, 5.0 + 0.825 - 0.1))


def test_shared_units_equals_a_loop():
    circuits = [np.unique(RNG.integers(0, 300, size=40)) for _ in range(7)]
    shared = shared_units(circuits)
    for a in range(7):
        for b in range(7):
            assert shared[a, b] == len(set(circuits[a].tolist()) & set(circuits[b].tolist()))
    assert containment(shared, 40).max() <= 1 and np.nanmax(jaccard(shared)) == 1
    nothing = np.array([], dtype=np.int64)
    assert shared_units([nothing, nothing]).tolist() == [[0, 0], [0, 0]]
    assert shared_units([]).shape == (0, 0)
