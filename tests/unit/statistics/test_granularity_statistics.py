"""How specific lesions are, by size of the units: means and intervals against loops over drawn tasks."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from brodmann.circuits.granularity import CIRCUIT, INTACT, MASS, SIZE
from brodmann.circuits.stages.granularity import LESIONS
from brodmann.config.statistics import StatisticsSettings
from brodmann.figures.granularity import draw_levels
from brodmann.figures.style import plt
from brodmann.report.granularity import granularity_part
from brodmann.report.prose import Prose
from brodmann.report.sources import Sources
from brodmann.statistics.granularity import GROUPS, Costs, Estimate, specificity
from brodmann.statistics.printed import show_p
from brodmann.statistics.resampling import BOOTSTRAPS, times_drawn
from brodmann.statistics.stages.granularity import COLUMNS, write_granularity
from brodmann.store.tables import read_table, write_table
from brodmann.tasks.catalogue import domain_of

TASKS = tuple(f"{domain}/t{n}" for domain in ("language", "formal", "social") for n in range(4))
SAME = np.array([[domain_of(a) == domain_of(b) for b in TASKS] for a in TASKS])


def costs(own, within, across, noise=0.0, seed=0):
    dice = np.random.default_rng(seed)
    matrix = np.where(SAME, within, across) + noise * dice.normal(size=SAME.shape)
    np.fill_diagonal(matrix, own)
    controls = {SIZE: 0.01 + noise * dice.normal(size=len(TASKS)), MASS: np.full(len(TASKS), 0.3)}
    return Costs(TASKS, matrix, controls)


def naive(one, drawn):
    """Means over a list of drawn tasks, pair by pair; a task that is drawn twice is no pair of two tasks."""
    pairs = [(i, j) for i in drawn for j in drawn if i != j]
    groups = {
        "own": [one.matrix[i, i] for i in drawn],
        "within": [one.matrix[i, j] for i, j in pairs if SAME[i, j]],
        "across": [one.matrix[i, j] for i, j in pairs if not SAME[i, j]],
        **{name: [one.controls[name][i] for i in drawn] for name in (SIZE, MASS)},
    }
    return {name: float(np.mean(values)) if values else np.nan for name, values in groups.items()}


def test_means_are_those_of_drawn_tasks():
    one = costs(0.8, 0.4, 0.1, noise=0.05)
    dice = np.random.default_rng(1)
    lists = [dice.integers(len(TASKS), size=len(TASKS)) for _ in range(20)]
    drawn = np.array([np.bincount(own, minlength=len(TASKS)) for own in lists], dtype=float)
    found = one.means(drawn)
    for number, own in enumerate(lists):
        expected = naive(one, own.tolist())
        for name in GROUPS:
            assert found[name][number] == pytest.approx(expected[name], nan_ok=True)


def test_what_is_planted_is_found():
    drawn = times_drawn(len(TASKS), 0)
    small = specificity(costs(0.9, 0.6, 0.2, noise=0.02), drawn)
    large = specificity(costs(0.9, 0.5, 0.5, noise=0.02, seed=3), drawn)
    assert small.ratio.value == pytest.approx(3, rel=0.05)
    assert 2 < small.ratio.low < 3 < small.ratio.high < 4
    assert large.ratio.low < 1 < large.ratio.high
    assert small.difference.low > 0.3 and large.difference.low < 0 < large.difference.high
    assert small.own_ratio.value == pytest.approx(4.5, rel=0.05)
    # On the same draws: a third as specific; and nothing against itself.
    relative = large.over(small)
    assert relative.value == pytest.approx(1 / 3, rel=0.06) and relative.high < 0.5
    alone = small.over(small)
    assert (alone.value, alone.low, alone.high) == (1, 1, 1)


def test_a_ratio_of_nothing_has_no_interval():
    drawn = times_drawn(len(TASKS), 0)
    none = specificity(costs(0.5, 0.2, -0.1), drawn)
    assert np.isnan(none.ratio.value)
    about = specificity(costs(0.5, 0.2, 0.0, noise=0.03, seed=5), drawn)
    assert np.isnan(about.ratio.low) and np.isfinite(about.difference.low)


def few(matrix, tasks):
    """Of some tasks, with controls."""
    controls = {name: np.full(len(tasks), 0.1) for name in (SIZE, MASS)}
    return specificity(Costs(tasks, np.array(matrix), controls), times_drawn(len(tasks), 0))


def has_intervals(found):
    """Which of the groups have one."""
    return {name for name in GROUPS if np.isfinite(found.groups[name].low)}


def test_a_single_task_or_pair_has_no_interval():
    """It is the same in every draw that has it, which says nothing of other tasks."""
    alone = few([[0.5]], ("language/a",))
    assert alone.groups["own"].value == 0.5
    assert has_intervals(alone) == set()
    # One pair of one domain; two pairs of two.
    three = few(
        [[0.5, 0.2, 0.1], [0.3, 0.6, 0.05], [0.1, 0.02, 0.7]],
        ("language/a", "language/b", "formal/c"),
    )
    assert has_intervals(three) == {"own", "across", SIZE, MASS}
    assert three.groups["within"].value == pytest.approx(0.25)
    assert three.difference.value == pytest.approx(0.25 - 0.27 / 4)
    assert three.ratio.value == pytest.approx(1 / 0.27)
    assert np.isnan([three.difference.low, three.ratio.low, three.own_ratio.high]).all()
    assert np.isnan(three.over(three).low)


def test_costs_of_a_single_target_have_no_interval():
    """Of three tasks without a contrast, nothing is known but what they cost a fourth."""
    matrix = np.full((4, 4), np.nan)
    matrix[:, 0] = [0.5, 0.3, 0.1, 0.2]
    one = few(matrix, ("language/a", "language/b", "formal/c", "formal/d"))
    assert has_intervals(one) == {SIZE, MASS}
    assert one.groups["across"].value == pytest.approx(0.15)
    matrix[:, 1] = [0.4, 0.6, 0.0, 0.1]
    two = few(matrix, ("language/a", "language/b", "formal/c", "formal/d"))
    assert has_intervals(two) == {"own", "across", SIZE, MASS}


@pytest.mark.filterwarnings("error")
def test_what_no_draw_can_say_is_unknown_without_a_warning():
    """A single task drawn again and again has no pair; where nothing is lost across there is no ratio."""
    drawn = np.zeros((1, len(TASKS)))
    drawn[0, 3] = len(TASKS)
    found = costs(0.9, 0.6, 0.2).means(drawn)
    assert np.isnan([found["within"][0], found["across"][0]]).all()
    assert found["own"][0] == pytest.approx(0.9)
    for within in (0.2, -0.2, 0.0):
        none = specificity(costs(0.5, within, 0.0), times_drawn(len(TASKS), 0))
        assert np.isnan([none.ratio.value, none.ratio.low, none.ratio.high]).all()
        assert (none.ratios[:1] == np.inf).all()
        assert none.difference.value == pytest.approx(within)


@pytest.mark.parametrize("undefined", [0, 20, 24, 25, 40, 1000])
def test_draws_without_a_ratio_lie_above_all_others(undefined):
    """They lose nothing across domains: to leave them out would make the interval too short."""
    values = np.random.default_rng(2).lognormal(1, 1, size=1000)
    values[:undefined] = np.nan
    found = Estimate.of_ratio(np.array([2.5, *values]))
    if undefined > 24:  # the upper end is among them
        assert found.value == 2.5 and np.isnan(found.low) and np.isnan(found.high)
    else:
        everything = np.where(np.isnan(values), 1e9, values)
        assert (found.low, found.high) == pytest.approx(
            tuple(np.quantile(everything, [0.025, 0.975]))
        )


def test_a_level_beside_one_whose_ratio_is_infinite_or_0():
    """Twice as specific; infinitely less specific in ten draws, infinitely more in as many."""
    drawn = times_drawn(len(TASKS), 0)
    one, other = specificity(costs(0.9, 0.6, 0.2), drawn), specificity(costs(0.9, 0.3, 0.2), drawn)
    assert one.over(other).high == pytest.approx(2)
    ratios = other.ratios.copy()
    ratios[1:11], ratios[11:21] = np.inf, 0.0
    found = one.over(replace(other, ratios=ratios))
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))
    ratios[1:41], ratios[41:61] = np.inf, 0.0
    found = one.over(replace(other, ratios=ratios))
    assert (found.low, found.high) == pytest.approx((0, 2))
    ratios[1:41] = -0.1
    assert np.isnan(one.over(replace(other, ratios=ratios)).high)


def test_tasks_without_a_contrast_lose_no_share_of_it(tmp_path, root):
    """Of a control model: accuracy is lost by all, the metric by those that have one."""
    one = costs(0.9, 0.6, 0.2, noise=0.02)
    rows = [*lesions(one, "neurons", 0.1)]
    for row in rows:
        if row["target"] in TASKS[:3]:
            row["score_drop"] = np.nan
    write_table(tmp_path / "lesions.csv", rows, LESIONS)
    found = read_table(summed(tmp_path, controls=("tiny",)), COLUMNS).set_index("measure")
    assert found["n"].to_dict() == {"accuracy_drop": 12, "score_drop": 9}
    rest = Costs(TASKS, np.where(np.isin(TASKS, TASKS[:3]), np.nan, one.matrix), {})
    expected = np.nanmean(np.where(SAME & ~np.eye(12, dtype=bool), rest.matrix, np.nan))
    assert found.loc["score_drop", "within"] == pytest.approx(expected)
    write_table(tmp_path / "lesions.csv", [{**row, "score_drop": np.nan} for row in rows], LESIONS)
    place = summed(tmp_path, controls=("tiny",))
    study = SimpleNamespace(granular_models=("tiny",), controls=("tiny",))
    say = Prose(root / "workflow" / "report")
    assert granularity_part(Sources(study, None, place.parents[1], frozenset(), say)) is None


def summed(folder, controls=()):
    """The statistics of the lesions in a folder."""
    study = SimpleNamespace(
        statistics=StatisticsSettings(permutations=200, exclude=()),
        controls=controls,
        ablation=SimpleNamespace(kinds=("corrupted",), random_trials=2),
    )
    output = folder / "statistics" / "granularity.csv"
    write_granularity(study, files={"tiny": str(folder / "lesions.csv")}, output=str(output))
    return output


def lesions(one, level, percent):
    """As the light job writes them."""
    shared = {"level": level, "percent": percent, "n": 8, "k": 3, "mass": 0.2, "ties": 0}

    def row(target, source, condition, trial, cost):
        own = {"target": target, "source": source, "condition": condition, "trial": trial}
        cost = float(cost)
        return {**shared, **own, "drop": cost / 2, "score_drop": cost, "accuracy": 1 - cost / 2}

    for j, target in enumerate(TASKS):
        yield row(target, "", INTACT, 0, 0)
        for i, source in enumerate(TASKS):
            yield row(target, source, CIRCUIT, 0, one.matrix[i, j])
        for name in (SIZE, MASS):
            for trial, more in ((1, 0.1), (2, -0.1)):
                yield row(target, target, name, trial, one.controls[name][j] + more)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("statistics")
    small, large = costs(0.9, 0.6, 0.2, noise=0.02), costs(0.9, 0.5, 0.5, noise=0.02, seed=3)
    rows = [*lesions(small, "neurons", 0.1), *lesions(large, "mlp_layers", 10.0)]
    write_table(folder / "lesions.csv", rows, LESIONS)
    return summed(folder)


def test_the_table(table):
    found = read_table(table, COLUMNS).set_index(["measure", "level"])
    assert len(found) == 4 and found["n"].tolist() == [12] * 4
    small, large = found.loc[("score_drop", "neurons")], found.loc[("score_drop", "mlp_layers")]
    one = costs(0.9, 0.6, 0.2, noise=0.02)
    expected = naive(one, range(len(TASKS)))
    for name in GROUPS:  # trials of random units are averaged
        assert small[name] == pytest.approx(expected[name], rel=1e-6)
        assert small[f"{name}_low"] <= small[name] <= small[f"{name}_high"]
    assert small["p"] < 0.02 and large["p"] > 0.05
    assert large["relative_high"] < 0.5 and small["relative"] == 1
    half = found.loc[("accuracy_drop", "neurons")]
    assert half["within"] == pytest.approx(small["within"] / 2)
    assert half["ratio"] == pytest.approx(small["ratio"])
    assert set(found["bootstraps"]) == {BOOTSTRAPS}


def test_the_figure_and_the_report_say_it(table, root):
    rows = read_table(table, COLUMNS)
    rows = rows[rows["measure"] == "score_drop"].reset_index(drop=True)
    figure = draw_levels(rows, title="tiny")
    above, below = figure.axes
    assert [label.get_text() for label in below.get_xticklabels()] == [
        "neurons\n0.1 %",
        "MLP\nlayers\n10 %",
    ]
    heights = [line.get_ydata()[0] for line in above.lines if line.get_marker() == "D"]
    assert heights == pytest.approx(rows["ratio"].tolist())
    plt.close(figure)
    study = SimpleNamespace(
        granular_models=("tiny",), controls=(), tasks=SimpleNamespace(split=False)
    )
    say = Prose(root / "workflow" / "report")
    part = granularity_part(Sources(study, None, table.parents[1], frozenset(), say))
    text = " ".join(part.lead)
    small = rows.iloc[0]
    assert f"neurons (0.1 %), ratio {small['ratio']:.2f} [{small['ratio_low']:.2f}" in text
    assert "tiny, mean over 12 tasks" in text and "flatters a task's own circuit" in text
    assert "Against neurons, on the same tasks, the ratio is 0.3" in text
    [printed] = part.tables
    shown = dict(zip(printed.heads, printed.rows[0], strict=True))
    assert shown["q"] == show_p(small["q"]) != shown["p"]
    assert len(printed.rows) == 2 and printed.rows[1][1] == "MLP layers"
    study.granular_models = ()
    assert granularity_part(Sources(study, None, table.parents[1], frozenset(), say)) is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"within": np.nan, "across": 0.1}, "ratio – (there are no two tasks of one domain)"),
        ({"across": np.nan}, "ratio – (there are no two tasks of different domains)"),
        ({"across": -0.01}, "ratio – (nothing is lost across domains)"),
        ({"ratio": 2.0, "within_low": np.nan}, "ratio 2.00 (no interval: there are too few tasks)"),
        ({"ratio": 2.0}, "ratio 2.00 (no interval: the cost across domains is not surely above 0)"),
        ({"ratio": 2.0, "ratio_low": 1.5, "ratio_high": 3.0}, "ratio 2.00 [1.50, 3.00]."),
    ],
)
def test_why_a_ratio_has_no_interval(root, row, said):
    known = {"within": 0.2, "within_low": 0.1, "across": 0.1, "across_low": 0.05}
    unknown = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "size_matched", "own_low"), np.nan)
    own = {"own": 0.5, "own_high": np.nan, "label": "neurons", "percent": 0.1}
    rows = [{**known, **unknown, **own, **row}]
    study = SimpleNamespace(tasks=SimpleNamespace(split=True))
    one = SimpleNamespace(called="tiny", n=1, rows=rows, coarser=[])
    [_, told] = Prose(root / "workflow" / "report")("granularity.specificity", study, [one])
    assert told == (
        f"tiny, mean over 1 task: neurons (0.1 %), {said.removesuffix('.')}. "
        "Silenced, a task's own circuit costs 0.50 (neurons)."
    )
