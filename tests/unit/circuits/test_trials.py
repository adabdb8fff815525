"""Estimators that are tried: every number of the tables again, from whole sequences and by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from golden.passes import attribution, faithfulness, load_config
from golden.study import MODEL, READ, STORE, STUDY, copy, copy_kept
from reference import naive_attribution, naive_lesion, naive_metric, naive_patched_metric
from scipy.stats import spearmanr, wilcoxon

from brodmann.circuits.inclusion import Baseline
from brodmann.circuits.stages.attribution import Stage
from brodmann.circuits.stages.files import TaskFiles
from brodmann.circuits.stages.tried import write_trials
from brodmann.circuits.trials import COLUMNS, SUMMARY, summarised
from brodmann.runner.bench import Bench
from brodmann.store.tensors import write_tensors
from brodmann.tasks.items import read_items

GRID = "[patching at all, patching at last, relp at last, atp_star at all]"
# What is asked of circuits alone: two sizes between nothing and all, and no orders but the task's own.
FRACTIONS = [0, 5, 20, 100]
FAITHFULNESS = """
faithfulness:
  tasks: ["*"]
  fractions: [0, 5, 20, 100]
  signs: [positive]
  same_domain: 0
  other_domains: 0
  layer_matched_trials: 0
  random_trials: 0
  bootstraps: 4
"""


@pytest.fixture
def study(tmp_path, monkeypatch, root):
    """The golden study with a grid; its pass has run."""
    monkeypatch.chdir(tmp_path)
    copy(STUDY, tmp_path)
    (tmp_path / "workflow").symlink_to(root / "workflow")
    (tmp_path / "stimuli").symlink_to(root / "stimuli")
    copy_kept(tmp_path / "results", READ)
    config = tmp_path / "config.yaml"
    text = config.read_text().replace("items: 2}", f"items: 2, estimators: {GRID}}}", 1)
    text = text.replace("{percents: [20.0], main: 20.0}", "{percents: [4.0], main: 4.0}")
    config.write_text(
        text.replace("[neurons, heads]", "[neurons]").replace(
            "splits: 1", "splits: 3\n  second_seed: false"
        )
    )
    return load_config([config], root=tmp_path).study


def tables(study, task, tested=()):
    """The tables of one task."""
    own = files(study, [task])
    read = TaskFiles(own["model_json"], own["item_files"], own["baseline_files"])
    names = {"table": "t.csv", "summary": "m.csv", "seconds": "s.csv"}
    write_trials(
        study, files=read, component="neurons", manifest=own["manifest"], tested=tested, **names
    )
    return [pd.read_csv(name) for name in names.values()]


def files(study, tasks):
    return {
        "model_json": f"results/{MODEL}/model.json",
        "item_files": [f"results/items/{task}.json" for task in tasks],
        "baseline_files": [f"results/{MODEL}/baseline/{task}.json" for task in tasks],
        "manifest": f"results/{STORE}/attribution.json",
    }


def run(study):
    tasks = study.tasks.selected
    attribution.run_pass(
        study,
        record_file=f"results/{MODEL}/.source.json",
        second_files=[f"results/items/.second/{task}.json" for task in tasks],
        threads=1,
        **files(study, tasks),
    )


def test_every_number_from_whole_sequences(study, tmp_path):
    run(study)
    [task] = study.attribution.agreement.tried_tasks
    own = files(study, [task])
    table, summary, seconds = tables(study, task)
    assert tuple(table.columns) == COLUMNS and tuple(summary.columns) == SUMMARY
    pairs = [("patching", "all"), ("patching", "last"), ("relp", "last"), ("atp_star", "all")]
    assert list(zip(table.estimator, table.positions, strict=True)) == pairs
    assert table.cpr.isna().all() and table.cmd.isna().all()  # no circuit was tested alone
    assert len(seconds) == len(pairs) + 2 and (seconds.seconds > 0).all()
    said = json.loads((tmp_path / own["manifest"]).read_text())
    assert set(said["estimator_seconds"]) == {f"{name} at {at}" for name, at in pairs}

    stage = Stage(study, own["model_json"])
    items = stage.list_of(read_items(own["item_files"][0]), Baseline.read(own["baseline_files"][0]))
    bench = Bench.opener(study, MODEL, f"results/{MODEL}/.source.json", 1)()
    used = bench.encoded(items)[:2]
    layers, width = stage.shape("neurons")
    k = max(1, int(layers * width * 4.0 / 100))
    for row, at in ((0, "all"), (1, "last")):
        where = [range(len(it.clean)) if at == "all" else (-1,) for it in used]
        estimates = [
            naive_attribution(bench.model, it, "neurons", positions=own).numpy().ravel()
            for it, own in zip(used, where, strict=True)
        ]
        # Ranks hang on rounding where effects are next to nothing: they are taken of what is stored.
        mean = stored(study, task, f"patching at {at}")["attribution"].ravel()
        np.testing.assert_allclose(mean, np.mean(estimates, axis=0), rtol=1e-3, atol=1e-5)
        circuit = np.argsort(-mean, kind="stable")[:k]
        record = stored(study, task, f"true effects at {at}")
        units = record["unit"]
        assert set(circuit) <= set(units.tolist())
        assert k + 3 <= len(units) <= 2 * k + 3 and len(set(units.tolist())) == len(units)
        effects = [
            np.mean(
                [
                    naive_patched_metric(bench.model, it, "neurons", [divmod(int(u), width)], own)
                    - naive_metric(bench.model, it)
                    for it, own in zip(used, where, strict=True)
                ]
            )
            for u in units
        ]
        np.testing.assert_allclose(record["exact"], effects, rtol=1e-3, atol=1e-4)
        line = table.iloc[row]
        assert line.n_units == len(units) and line.n_items == 2
        expected = spearmanr(mean[units], record["exact"])[0]
        assert line.rank_correlation == pytest.approx(expected)
        # Of two items each half holds one.
        circuits = [set(np.argsort(-own, kind="stable")[:k]) for own in estimates]
        assert line.reliability == pytest.approx(len(circuits[0] & circuits[1]) / k, abs=1.01 / k)


def stored(study, task, what):
    from safetensors.numpy import load

    from brodmann.store.work import Records

    records = Records(f"results/{STORE}/attribution.json", "attribution")
    return load(records.get(f"{task}, neurons: {what}", what))


def test_areas_of_their_orders_are_those_of_naive_curves(study, tmp_path):
    """Everything but a circuit is corrupted unit by unit, in plain transformers; areas by trapezoids."""
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text() + FAITHFULNESS)
    study = load_config([config], root=tmp_path).study
    run(study)
    [task] = study.attribution.agreement.tried_tasks
    tasks = study.tasks.selected
    folder = f"results/{MODEL}/attribution"
    shape = Stage(study, f"results/{MODEL}/model.json").shape("neurons")
    for number, one in enumerate(tasks):
        values = np.random.default_rng(number).normal(size=shape).astype(np.float32)
        write_tensors(f"{folder}/neurons/{one}.safetensors", {"attribution": values}, {})
    asked = {**files(study, tasks), "manifest": f"results/{STORE}/faithfulness.json"}
    more = {"record_file": f"results/{MODEL}/.source.json", "threads": 1}
    faithfulness.run_pass(study, attribution_folder=folder, **more, **asked)
    table, summary, _ = tables(study, task, tested=[asked["manifest"]])

    own = files(study, [task])
    baseline = Baseline.read(own["baseline_files"][0])
    stage = Stage(study, own["model_json"])
    items = stage.list_of(read_items(own["item_files"][0]), baseline)
    bench = Bench.opener(study, MODEL, more["record_file"], 1)()
    used = bench.encoded(items)
    floor, top = baseline.corrupted_baseline, baseline.clean_baseline
    every = range(shape[0] * shape[1])
    shares = np.array(FRACTIONS) / 100

    def kept(units):
        out = [divmod(n, shape[1]) for n in every if n not in units]
        scores = [naive_lesion(bench.model, item, "neurons", out, "corrupted") for item in used]
        return (np.mean([right - wrong for right, wrong in scores]) - floor) / (top - floor)

    ends = kept(set()), kept({*every})
    assert len(table) == 4
    for row in table.to_dict("records"):
        mean = stored(study, task, f"{row['estimator']} at {row['positions']}")["attribution"]
        order = np.argsort(-mean.ravel(), kind="stable").tolist()
        between = [kept({*order[: int(len(order) * share)]}) for share in shares[1:-1]]
        curve = np.array([ends[0], *between, ends[1]])
        for column, values in (("cpr", curve), ("cmd", np.abs(1 - curve))):
            area = (np.diff(shares) * (values[1:] + values[:-1]) / 2).sum()
            assert row[column] == pytest.approx(area, abs=1e-4)
    assert table.cpr.nunique() > 1
    # Of one task the mean is its own.
    assert summary.cpr.tolist() == pytest.approx(table.cpr.tolist())
    # Only what the pass lacks is measured: nothing, for the same estimators.
    ledger = f"results/{STORE}/ledger.jsonl"
    faithfulness.run_pass(study, attribution_folder=folder, **more, **asked)
    with open(ledger, encoding="utf-8") as lines:
        last = json.loads(lines.readlines()[-1])
    assert (last["stage"], last["circuits"], last["model_loads"]) == ("faithfulness", 0, 0)


def test_another_estimator_costs_its_own_records_alone(study, tmp_path):
    """Those that are there are found again; true effects are measured anew where another joins."""
    run(study)
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("relp at last", "relp at last, ig_inputs at all"))
    before = json.loads((tmp_path / f"results/{STORE}/attribution.json").read_text())["keys"]
    run(load_config([config], root=tmp_path).study)
    said = json.loads((tmp_path / f"results/{STORE}/attribution.json").read_text())
    assert set(said["estimator_seconds"]) == {"ig_inputs at all"}
    changed = {name for name, key in said["keys"].items() if before.get(name) != key}
    assert sorted(name.split(": ")[1] for name in changed) == [
        "ig_inputs at all",
        "true effects at all",
    ]


def rows(estimator, positions, **values):
    count = len(values["rank_correlation"])
    tasks = [f"language/{n}" for n in range(count)]
    return pd.DataFrame({"task": tasks, "estimator": estimator, "positions": positions, **values})


def test_means_over_tasks_and_gains_by_hand():
    base = np.array([0.5, 0.2, 0.4, 0.1, 0.3, 0.6])
    better = base + np.array([0.1, 0.2, 0.3, -0.05, 0.4, 0.15])
    table = pd.concat(
        [
            rows("relp", "last", rank_correlation=better),
            rows("patching", "last", rank_correlation=base, reliability=[0.5] * 5 + [np.nan]),
        ]
    ).reindex(columns=list(COLUMNS))
    found = summarised(table, 0).set_index("estimator")
    relp, usual = found.loc["relp"], found.loc["patching"]
    assert relp.rank_correlation == pytest.approx(better.mean())
    assert relp.gain == pytest.approx((better - base).mean())
    assert relp.gain_p == pytest.approx(wilcoxon(better - base).pvalue)
    # The s.e.m. of a bootstrap is that of the mean with n in place of n - 1.
    wide = 2 * 1.96 * (better - base).std() / np.sqrt(len(base))
    assert relp.gain_high - relp.gain_low == pytest.approx(wide, rel=0.15)
    assert relp.gain_low < relp.gain < relp.gain_high
    assert np.isnan(usual.gain) and np.isnan(usual.cpr) and np.isnan(usual.cpr_low)
    assert usual.reliability == usual.reliability_low == usual.reliability_high == 0.5
    assert (found.n_tasks == 6).all()
    assert summarised(table.iloc[:0], 0).empty


def test_tasks_without_a_rank_correlation_do_not_count():
    """Of one task all estimates of relevance patching are the same."""
    base, other = np.array([0.5, 0.2, 0.4]), np.array([0.6, np.nan, 0.6])
    parts = [("patching", "last", base), ("relp", "last", other)]
    table = pd.concat([rows(*pair, rank_correlation=values) for *pair, values in parts])
    found = summarised(table.reindex(columns=list(COLUMNS)), 0).set_index("estimator")
    assert found.n_tasks.to_dict() == {"patching": 3, "relp": 2}
    assert found.rank_correlation.to_dict() == pytest.approx({"patching": 1.1 / 3, "relp": 0.6})
    assert found.gain["relp"] == pytest.approx(0.15)
