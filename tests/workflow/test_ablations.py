"""Ablations through the workflow: tables against naive lesions, and what is measured again."""

import csv
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from clone import SEED, TASKS, task_yaml
from naive_sites import naive_activations
from reference import naive_lesion
from safetensors import safe_open
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.models.load import wrap_model
from brodmann.runner.encode import EncodedItem

MAIN = "positive-0.1pct"
N = len(TASKS)


def table(study, task, selection=MAIN, kind="corrupted", component="neurons"):
    path = study.path / f"results/tiny/ablation/{component}/{selection}/{kind}/{task}.csv"
    return pd.read_csv(path, keep_default_na=False)


def matrix(study, name):
    return pd.read_csv(study.path / f"results/tiny/ablation/neurons/{name}.csv", index_col=0)


def encoded_items(study, model, task):
    made = json.loads((study.path / f"results/items/{task}.json").read_text())
    items = made["wordings"]["completion"]

    def ids(text):
        return tuple(model.tokenizer(text, add_special_tokens=False)["input_ids"])

    names = ("clean_prompt", "corrupted_prompt", "correct", "incorrect")
    used = study.baseline(task)["used_ids"]
    return [EncodedItem(*(ids(items[number][name]) for name in names)) for number in used]


def test_tables_equal_naive_lesions(finished):
    model = wrap_model(tiny_model("llama", SEED), tiny_tokenizer(), name="tiny")
    source, target = TASKS[0], TASKS[1]
    units = pd.read_csv(finished.path / f"results/tiny/masks/neurons/{MAIN}/{source}.csv")
    pairs = list(zip(units.layer, units.unit, strict=True))
    items = encoded_items(finished, model, target)
    scores = [naive_lesion(model, item, "neurons", pairs, "corrupted") for item in items]
    differences = np.array([right - wrong for right, wrong in scores])
    baseline = finished.baseline(target)
    contrast = baseline["clean_baseline"] - baseline["corrupted_baseline"]
    expected = (differences.mean() - baseline["corrupted_baseline"]) / contrast
    found = table(finished, target)
    [row] = found[(found.source == source) & (found.condition == "circuit")].to_dict("records")
    assert row["score"] == pytest.approx(expected, abs=1e-4)
    assert row["accuracy"] == pytest.approx((differences > 0).mean())
    assert (row["n"], row["k"], row["trial"]) == (len(items), len(pairs), 0)
    [intact] = found[found.condition == "intact"].to_dict("records")
    assert intact["score"] == pytest.approx(1, abs=1e-4) and intact["source"] == ""
    assert row["drop"] == pytest.approx(intact["accuracy"] - row["accuracy"])
    drops, scores = (
        matrix(finished, f"{MAIN}.corrupted.accuracy_drop"),
        matrix(finished, f"{MAIN}.corrupted.score"),
    )
    assert drops.loc[source, target] == pytest.approx(row["drop"])
    assert scores.loc[source, target] == pytest.approx(row["score"])
    assert list(drops.index) == list(drops.columns)


def test_controls_are_there_and_are_no_circuits(finished):
    for task in TASKS:
        found = table(finished, task)
        assert found.condition.value_counts().to_dict() == {
            "intact": 1,
            "circuit": N,
            "layer_matched": 3 * N,
            "random": 3,
        }
        assert set(found[found.condition == "random"].source) == {""}
        assert sorted(found[found.condition == "random"].trial) == [1, 2, 3]


def test_the_forecast_is_the_sum_of_the_targets_attributions(finished):
    found = matrix(finished, f"{MAIN}.forecast")
    for source in TASKS:
        units = pd.read_csv(finished.path / f"results/tiny/masks/neurons/{MAIN}/{source}.csv")
        for target in TASKS:
            path = finished.path / f"results/tiny/attribution/neurons/{target}.safetensors"
            with safe_open(path, "numpy") as file:
                values = file.get_tensor("attribution")
            terms = values[units.layer, units.unit].astype(float)
            # Terms of either sign: the sum may be much smaller than what is summed.
            error = abs(found.loc[source, target] - terms.sum())
            assert error <= 1e-5 * np.abs(terms).sum()


def test_forecast_only_runs_no_lesion(fresh):
    config = fresh.config()
    config["ablation"] = {"forecast_only": True}
    fresh.write_config(config)
    planned = fresh.planned("ablations")
    assert "forecast" in planned and not {"ablation", "ablation_pass"} & set(planned)
    assert "ablation_figures" not in fresh.planned()


@pytest.mark.slow
def test_more_kinds_measure_only_what_is_missing(study):
    config = study.config()
    config["ablation"] = {"kinds": ["corrupted", "zero", "mean"], "random_trials": 4}
    study.write_config(config)
    before = len(study.ledger())
    study.snakemake("ablations")
    [entry] = study.ledger()[before:]
    per_kind = 4 * N + 4  # circuits and their controls, random; the intact run is stored
    assert entry["model_loads"] == 1
    # Of the kind that was there one random trial is new. Masks of one unit may repeat each other.
    assert entry["lesions"] <= N * (1 + 2 * per_kind) and entry["lesions"] > N * per_kind
    zero = table(study, TASKS[0], kind="zero")
    assert zero[zero.condition == "intact"].accuracy.item() == 1 or zero.n.min() > 0
    study.snakemake("ablations")
    assert len(study.ledger()) == before + 1


@pytest.mark.slow
def test_a_changed_source_is_measured_alone(study):
    """One task's circuit changes, as its gradient would change it: only its lesions are new."""
    path = study.path / f"results/tiny/masks/neurons/{MAIN}/{TASKS[2]}.csv"
    with open(path, newline="") as handle:
        [header, first] = list(csv.reader(handle))
    others = {
        tuple(pd.read_csv(p).iloc[0, :2])
        for p in (study.path / f"results/tiny/masks/neurons/{MAIN}").rglob("*.csv")
    }
    unit = next(n for n in range(48) if (0, n) not in others)
    path.write_text(f"{','.join(header)}\n{','.join(['0', str(unit), *first[2:]])}\n")
    before = len(study.ledger())
    study.snakemake("ablations")
    [entry] = study.ledger()[before:]
    # On each target the circuit and at most three layer-matched controls (some may be known units).
    assert N <= entry["lesions"] <= 4 * N
    assert table(study, TASKS[0]).source.nunique() == N + 1


@pytest.mark.slow
def test_a_changed_item_is_measured_on_its_target_alone(study):
    definition = task_yaml(TASKS[1])
    definition["items"][0]["text"]["clean"] = f"{TASKS[1]} number 000 says hey"
    study.write_task(TASKS[1], definition)
    masks = study.path / f"results/tiny/masks/neurons/{MAIN}/{TASKS[1]}.csv"
    old = masks.read_text().splitlines()[1].split(",")[:2]
    before = len(study.ledger())
    study.snakemake("ablations")
    entry = study.ledger()[-1]
    assert entry["stage"] == "ablation" and len(study.ledger()) == before + 3
    same = masks.read_text().splitlines()[1].split(",")[:2] == old
    assert entry["computed"] == ([TASKS[1]] if same else sorted(TASKS))


@pytest.mark.slow
def test_a_damaged_row_heals(study):
    [shard] = (study.path / "results/tiny/.store/ablation").glob("*.shard")
    expected = table(study, TASKS[0])
    content = bytearray(shard.read_bytes())
    content[-20] ^= 0xFF  # in the last record's payload; the first says what units promote
    shard.write_bytes(content)
    failed = study.snakemake("--forcerun", "ablation", "--", "ablations", check=False)
    assert failed.returncode != 0 and "is gone or damaged" in failed.stdout
    before = len(study.ledger())
    study.snakemake("--forcerun", "ablation", "--", "ablations")
    assert [entry["lesions"] for entry in study.ledger()[before:]] == [1]
    # One lesion alone is another batch than with all others.
    pd.testing.assert_frame_equal(table(study, TASKS[0]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_store_can_be_deleted(study):
    expected = matrix(study, f"{MAIN}.corrupted.score")
    shutil.rmtree(study.path / "results/tiny/.store")
    study.snakemake("--forcerun", "ablation", "--", "ablations")
    pd.testing.assert_frame_equal(
        matrix(study, f"{MAIN}.corrupted.score"), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.slow
def test_a_killed_pass_goes_on_where_it_was(study):
    """kill -9 in the middle of the pass: the lesions that were written are not measured again."""
    config = study.config()
    config["ablation"] = {"kinds": ["zero"], "layer_matched_trials": 12}
    config["execution"] = {"batch_tokens": 1}
    study.write_config(config)
    folder = study.path / "results/tiny/.store/ablation"
    known = set(folder.iterdir())

    def wrote():
        return any(path.stat().st_size > 1000 for path in set(folder.iterdir()) - known)

    study.kill_snakemake("ablations", when=wrote)
    [written] = set(folder.iterdir()) - known
    stored = written.read_bytes().count(b"BRD1 ")
    assert stored >= 32
    study.snakemake("--unlock")
    before = len(study.ledger())
    study.snakemake("ablations")
    [entry] = study.ledger()[before:]
    circuits = len(table(study, TASKS[0], kind="zero"))
    assert entry["lesions"] <= N * circuits - stored


@pytest.mark.slow
def test_controls_that_are_as_active_are_measured_beside_what_is_known(study, finished):
    """In two shards, of which one makes first what controls are matched in."""
    config = study.config()
    config["ablation"] = {**config.get("ablation", {}), "activation_matched_trials": 2}
    config["execution"] = {**config.get("execution", {}), "shards": 2}
    study.write_config(config)
    before = len(study.ledger())
    study.snakemake("ablations")
    entries = study.ledger()[before:]
    assert {entry["stage"] for entry in entries} == {"ablation"}
    assert "0 of 2" in [entry.get("shard") for entry in entries]
    model = wrap_model(tiny_model("llama", SEED), tiny_tokenizer(), name="tiny")
    for task in TASKS:
        was, found = table(finished, task), table(study, task)
        matched = found["condition"] == "activation_matched"
        assert found[~matched].reset_index(drop=True)[list(was)].equals(was)
        assert matched.sum() == 2 * N
        each = [
            naive_activations(model, list(item.clean), "mlp_hidden").abs().mean(1)
            for item in encoded_items(study, model, task)
        ]
        activity = np.mean(np.stack(each), axis=0)
        for source in TASKS:
            mask = pd.read_csv(study.path / f"results/tiny/masks/neurons/{MAIN}/{source}.csv")
            own = found[(found["source"] == source) & (found["condition"] == "circuit")]
            mean = activity[mask.layer, mask.unit].mean()
            assert float(own["activation"].item()) == pytest.approx(mean, rel=1e-3)
    assert study.planned("ablations") == {}
