"""What is known of the published matrices comes out to the printed digits."""

import numpy as np
import pytest

from brodmann.circuits.overlap import doubly_stochastic
from brodmann.statistics.clustering import recover
from brodmann.statistics.consistency import common_tasks, consistency
from brodmann.statistics.matrices import average, jaccard_of, read_foreign_matrix
from brodmann.statistics.modularity import modularity
from brodmann.statistics.structure_function import pair_table, regress, regress_over_models
from brodmann.tasks.catalogue import domain_of, sort_key

EXCLUDE = ["physical/material", "physical/spatial"]
# Overlap within and across (per cent), ablation within and across, of 0.1 % circuits.
KNOWN = {
    "mistralai_Mistral-Small-24B-Instruct-2501": (11.1, 3.2, 0.235, 0.038),
    "Qwen_Qwen2-5-32B-Instruct": (12.4, 2.6, 0.240, 0.021),
    "allenai_OLMo-2-0325-32B-Instruct": (13.9, 2.3, 0.264, 0.021),
    "meta-llama_Meta-Llama-3-1-70B-Instruct": (11.7, 3.3, 0.182, 0.028),
    "Qwen_Qwen2-5-72B-Instruct": (14.2, 3.5, 0.258, 0.023),
    "mistralai_Mistral-Large-Instruct-2407": (12.5, 2.9, 0.231, 0.027),
}


@pytest.fixture(scope="module")
def overlaps(reference):
    return {
        model: read_foreign_matrix(
            reference / model / "overlap" / "positive_0.1pct_overlap.csv", low=0
        )
        for model in KNOWN
    }


@pytest.fixture(scope="module")
def drops(reference):
    name = "ablation_analysis/positive_0.1pct_corrupted_accuracy.csv"
    return {model: read_foreign_matrix(reference / model / name, low=-1) for model in KNOWN}


def overall(table, permutations=10_000):
    return modularity(
        table.to_numpy(), [domain_of(t) for t in table.index], permutations=permutations, seed=42
    ).overall


@pytest.mark.parametrize("model", KNOWN)
def test_of_each_model(model, overlaps, drops):
    overlap, drop = overall(overlaps[model]), overall(drops[model])
    printed = (
        round(100 * overlap.within.mean, 1),
        round(100 * overlap.cross.mean, 1),
        round(drop.within.mean, 3),
        round(drop.cross.mean, 3),
    )
    assert printed == KNOWN[model]
    assert overlap.p < 1e-4 and drop.p < 1e-4


def test_of_the_averages(overlaps, drops):
    mean, count = average(overlaps, EXCLUDE)
    assert len(mean) == 46
    assert list(mean.index) == list(mean.columns) == sorted(mean.index, key=sort_key)
    assert count.to_numpy().max() == 6 and count.to_numpy().min() >= 1
    found = overall(mean)
    assert (round(100 * found.within.mean, 2), round(100 * found.cross.mean, 2)) == (12.92, 2.99)
    assert (round(found.ratio, 2), found.p < 1e-4) == (4.32, True)
    domains = [domain_of(task) for task in mean.index]
    recovered = recover(mean.to_numpy(), domains, permutations=10_000, seed=42)
    assert round(recovered.ari, 3) == 0.784
    assert recovered.p < 1e-4 and len(set(recovered.labels)) == 4
    assert overall(average(drops, EXCLUDE)[0]).p < 1e-4


def test_the_ablations_bring_tasks_that_only_the_averages_leave_out(drops):
    assert any(task in table.index for table in drops.values() for task in EXCLUDE)
    assert not set(average(drops, EXCLUDE)[0].index) & set(EXCLUDE)
    # Those that all models have stay in the comparison of models.
    common = set.intersection(*(set(table.index) for table in drops.values()))
    assert common_tasks(drops) == sorted(common, key=sort_key)


def test_models_agree(overlaps, drops):
    for tables, directed in ((overlaps, False), (drops, True)):
        found = consistency(tables, directed=directed)
        n = len(found.tasks) * (len(found.tasks) - 1)
        assert {pair.n for pair in found.pairs} == {n if directed else n // 2}
        assert len(found.pairs) == 15 and all(pair.tau > 0.2 for pair in found.pairs)


def test_overlap_predicts_ablation_over_models(overlaps, drops):
    """Six slopes of 0.154 to 0.208 lie apart by far more than their errors: the interval says so."""
    tables = {model: pair_table(overlaps[model], drops[model]) for model in KNOWN}
    found = regress_over_models(tables)
    assert (found.n_models, found.converged) == (6, True)
    # A third of the mean's variance is error that models share, which more than five numbers tell.
    assert 5 < found.df < 12
    assert [found.coefficient, found.low, found.high, found.slope_sd] == pytest.approx(
        [0.1845, 0.1736, 0.1955, 0.0100], abs=5e-4
    )
    own = [regress(table) for table in tables.values()]
    assert all(0.15 < fit.coefficient < 0.21 and fit.se < 0.004 for fit in own)


def test_doubly_stochastic_matrices_are_reproduced(reference):
    paths = sorted(reference.glob("*/overlap/*_doubly_stochastic.csv"))
    assert len(paths) == 17
    for path in paths:
        expected = read_foreign_matrix(path, low=0)
        raw = path.with_name(path.name.replace("_doubly_stochastic", ""))
        table = read_foreign_matrix(raw, low=0)
        assert list(table.index) == list(expected.index)
        scaled, empty = doubly_stochastic(table.to_numpy())
        assert empty == [] and np.abs(scaled - expected.to_numpy()).max() < 5e-6, path
        np.testing.assert_allclose(scaled.sum(0), 1, atol=1e-6)


def test_every_published_matrix_is_read(reference):
    paths = sorted(reference.glob("*/overlap/*.csv")) + sorted(reference.glob("*/abl*/*.csv"))
    assert len(paths) > 40
    for path in paths:
        table = read_foreign_matrix(path, low=-1)
        assert list(table.index) == list(table.columns) and np.isfinite(table.to_numpy()).all()
        if path.name.endswith("_overlap.csv"):
            np.testing.assert_array_equal(table, table.T)
            # GPT-2 has tasks without any circuit, the others have none.
            empty = np.diag(table) == 0
            np.testing.assert_array_equal(np.diag(table), ~empty)
            assert table.to_numpy()[empty].sum() == 0
            assert empty.sum() == (10 if "gpt2" in str(path) else 0)
            known = ~np.outer(empty, empty)
            found = jaccard_of(table).to_numpy()
            np.testing.assert_array_equal(np.isnan(found), ~known)
            assert (found[known] <= table.to_numpy()[known]).all()
