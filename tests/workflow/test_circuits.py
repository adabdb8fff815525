"""Circuits through the workflow: files of the contract against definitions, and what is computed again."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from clone import SEED, TASKS, task_yaml
from reference import naive_attribution
from rounding import assert_same
from safetensors import safe_open
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.circuits.split import circuit_items, effect_items
from brodmann.models.load import wrap_model
from brodmann.runner.encode import EncodedItem

SELECTIONS = [f"positive-{percent}pct" for percent in (0.05, 0.1, 1.0, 5.0)]


def tensor(study, task, component="neurons"):
    path = study.path / f"results/tiny/attribution/{component}/{task}.safetensors"
    with safe_open(path, "numpy") as file:
        return file.get_tensor("attribution"), file.metadata()


def mask(study, task, selection):
    path = study.path / f"results/tiny/masks/neurons/{selection}/{task}.csv"
    return pd.read_csv(path)


def test_attribution_is_the_mean_of_naive_ones(finished):
    model = wrap_model(tiny_model("llama", SEED), tiny_tokenizer(), name="tiny")
    task = TASKS[0]
    made = json.loads((finished.path / f"results/items/{task}.json").read_text())
    baseline = finished.baseline(task)

    def ids(text):
        return tuple(model.tokenizer(text, add_special_tokens=False)["input_ids"])

    values = []
    for number in baseline["used_ids"]:
        item = made["wordings"]["completion"][number]
        encoded = EncodedItem(
            *(ids(item[k]) for k in ("clean_prompt", "corrupted_prompt", "correct", "incorrect"))
        )
        values.append(naive_attribution(model, encoded, "neurons").numpy())
    contrast = baseline["clean_baseline"] - baseline["corrupted_baseline"]
    expected = np.mean(values, axis=0) / (1 if baseline["unnormalised"] else contrast)
    found, metadata = tensor(finished, task)
    assert found.dtype == np.float32 and found.shape == (model.n_layers, model.neurons_per_layer)
    assert_same(found, expected)
    assert metadata["gradient"] == "both_answers" and metadata["estimator"] == "patching"
    assert int(metadata["n_items"]) == len(values)


def test_masks_and_overlaps_follow_from_the_attributions(finished):
    for selection, percent in zip(SELECTIONS, (0.05, 0.1, 1, 5), strict=True):
        units = {}
        for task in TASKS:
            scores = tensor(finished, task)[0]
            table = mask(finished, task, selection)
            k = max(1, int(scores.size * percent / 100))
            best = np.argsort(-scores.reshape(-1), kind="stable")[:k]
            assert (table.layer * scores.shape[1] + table.unit).tolist() == best.tolist()
            units[task] = set(best.tolist())
        stem = finished.path / f"results/tiny/overlap/neurons/{selection}"
        contained = pd.read_csv(f"{stem}.containment.csv", index_col=0)
        assert (stem.parent / f"{selection}.containment.csv").read_text().startswith(",")
        jaccard = pd.read_csv(f"{stem}.jaccard.csv", index_col=0)
        for a in TASKS:
            for b in TASKS:
                shared = len(units[a] & units[b])
                assert contained.loc[a, b] == pytest.approx(shared / k)
                assert jaccard.loc[a, b] == pytest.approx(shared / len(units[a] | units[b]))
        rates = pd.read_csv(f"{stem}.reliability.csv", index_col="task")
        assert list(rates.index) == list(contained.index)
        assert rates.split_containment.between(0, 1).all()
        # A second seed has the same explicit items: none is left for an independent list.
        assert rates.seed_containment.isna().all() and (rates.ceiling_from == "split").all()
        assert (rates.ceiling == rates.split_containment).all()
        summary = pd.read_csv(f"{stem}.summary.csv").set_index(["measure", "pairs"])
        assert summary.loc[("containment", "cross"), "n_tasks"] == len(TASKS)


def test_other_sizes_cost_no_model_work(study):
    config = study.config()
    config["selection"] = {"percents": [0.1, 2], "signs": ["absolute", "negative"], "main": 2}
    study.write_config(config)
    before = len(study.ledger())
    study.snakemake("overlaps")
    assert study.ledger()[before:] == []
    assert (mask(study, TASKS[0], "negative-2.0pct").score < 0).all()
    scores = mask(study, TASKS[0], "absolute-2.0pct").score.abs()
    assert scores.is_monotonic_decreasing


@pytest.mark.slow
def test_more_components_and_estimators_are_computed_beside(study):
    config = study.config()
    config["attribution"] = {
        "components": ["neurons", "heads"],
        "agreement": {"tasks": ["language/*"], "units": 5, "items": 3},
        "second_seed": False,
    }
    study.write_config(config)
    before = len(study.ledger())
    first = tensor(study, TASKS[0])[0]
    study.snakemake("attributions", "agreements")
    [entry] = study.ledger()[before:]
    assert entry["model_loads"] == 1
    assert (tensor(study, TASKS[0])[0] == first).all()
    assert tensor(study, TASKS[0], "heads")[0].shape == (3, 4)
    table = pd.read_csv(study.path / "results/tiny/attribution/neurons.agreement.csv")
    assert table.estimator.tolist() == ["patching", "ig"] and (table.n_units == 6).all()
    assert table.rank_correlation.between(-1, 1).all()
    study.snakemake("attributions", "agreements", "results/figures/agreement.tiny.neurons.png")
    assert len(study.ledger()) == before + 1
    # Estimators of a list are tried in its place, and nothing else is computed again.
    trials = ["patching at last", "relp_attention at all"]
    config["attribution"]["agreement"]["estimators"] = trials
    study.write_config(config)
    study.snakemake("estimators", "results/figures/estimators.tiny.heads.png")
    [entry] = study.ledger()[before + 1 :]
    assert entry["model_loads"] == 1 and set(entry["estimator_seconds"]) == set(trials)
    for component in ("neurons", "heads"):
        stem = study.path / f"results/tiny/attribution/{component}.estimators"
        assert pd.read_csv(f"{stem}.summary.csv").positions.tolist() == ["last", "all"]
        assert (pd.read_csv(f"{stem}.seconds.csv").seconds > 0).all()


@pytest.mark.slow
def test_excluded_tasks_have_empty_files(study):
    config = study.config()
    del config["models"]["tiny"]["filter"]
    config["tasks"] |= {"min_both_correct": 1.0, "filter": "both_correct"}
    study.write_config(config)
    study.snakemake("figures")
    values, metadata = tensor(study, TASKS[0])
    assert values.shape == (0, 0) and "below 1" in metadata["excluded"]
    path = study.path / f"results/tiny/masks/neurons/{SELECTIONS[0]}/{TASKS[0]}.csv"
    [header] = path.read_text().splitlines()
    assert header.startswith("layer,unit,score,")
    matrix = pd.read_csv(
        study.path / f"results/tiny/overlap/neurons/{SELECTIONS[1]}.containment.csv", index_col=0
    )
    assert matrix.empty


@pytest.mark.slow
def test_half_of_the_items_find_the_circuit(study):
    config = study.config()
    config["tasks"]["split"] = "half"
    study.write_config(config)
    study.snakemake("attributions")
    made = json.loads((study.path / f"results/items/{TASKS[0]}.json").read_text())
    used = study.baseline(TASKS[0])["used_ids"]
    found, measured = (part(used, made["groups"], True) for part in (circuit_items, effect_items))
    assert sorted(found + measured) == used and found and measured
    assert int(tensor(study, TASKS[0])[1]["n_items"]) == len(found)
    # Which half an item belongs to does not depend on the others.
    assert circuit_items(used[3:], made["groups"], True) == [n for n in found if n in used[3:]]


@pytest.mark.slow
def test_the_store_can_be_deleted_and_gives_the_same(study):
    expected = {task: tensor(study, task)[0] for task in TASKS}
    shutil.rmtree(study.path / "results/tiny/.store")
    study.snakemake("--forcerun", "attribution", "--", "attributions")
    for task in TASKS:
        assert_same(tensor(study, task)[0], expected[task])


@pytest.mark.slow
def test_a_damaged_record_says_so_and_heals(study):
    [shard] = (study.path / "results/tiny/.store/attribution").glob("*.shard")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    failed = study.snakemake("--forcerun", "attribution", "--", "attributions", check=False)
    assert failed.returncode != 0 and "Traceback" not in failed.stdout
    assert "is gone or damaged" in failed.stdout
    before = len(study.ledger())
    study.snakemake("attributions")
    assert [len(entry["computed"]) for entry in study.ledger()[before:]] == [1]


def test_a_task_with_one_item_less_is_attributed_alone(study):
    definition = task_yaml(TASKS[1])
    del definition["items"][0]
    study.write_task(TASKS[1], definition)
    before = len(study.ledger())
    study.snakemake("attributions")
    scored, attributed = study.ledger()[before:]
    assert scored["computed"] == [TASKS[1]]
    # Its attribution was made on the way of its baseline.
    assert attributed["computed"] == [] and attributed["model_loads"] == 0


LEXICON = {
    "description": "made for a test",
    "measures": "nothing",
    "lexicon": {"up": [f"ox{n}" for n in range(6)], "down": [f"ax{n}" for n in range(6)]},
    "contrast": {"thing": ["{up}", "{down}"]},
    "answers": ["good", "poor"],
    "frames": [{"text": "the {thing} is"}],
}


@pytest.mark.slow
def test_a_second_list_shares_no_unit_with_the_first(fresh):
    fresh.write_task(TASKS[0], LEXICON)
    config = fresh.config()
    config["tasks"] |= {"include": [TASKS[0]], "items": 12}
    fresh.write_config(config)
    fresh.snakemake("overlaps")
    first, second = (
        json.loads((fresh.path / f"results/items/{part}{TASKS[0]}.json").read_text())["groups"]
        for part in ("", ".second/")
    )
    assert len(first) == len(second) == 12 and not set(first) & set(second)
    path = fresh.path / f"results/tiny/overlap/neurons/{SELECTIONS[3]}.reliability.csv"
    [row] = pd.read_csv(path).to_dict("records")
    included = fresh.baseline(TASKS[0])["included"]
    assert not included or row["ceiling_from"] in ("seed", "split")


@pytest.mark.slow
def test_fewer_tasks_and_another_size_are_current_after_one_run(study):
    """Whatever reruns above them: everything that is asked for is there, and new, when the run ends."""
    config = study.config()
    config["tasks"]["include"] = list(TASKS[:2])
    config["selection"] = {"percents": [0.1, 2]}
    study.write_config(config)
    for figure in (study.path / "results/figures").iterdir():
        figure.unlink()
    study.snakemake()
    for selection in (SELECTIONS[1], "positive-2.0pct"):
        path = study.path / f"results/tiny/overlap/neurons/{selection}.containment.csv"
        assert sorted(pd.read_csv(path, index_col=0).index) == sorted(TASKS[:2])
    assert (study.path / "results/figures/overlap.containment.tiny.neurons.png").is_file()
    assert (study.path / "results/figures/accuracy_heatmap.csv").read_text().count("tiny,") == 2
    assert study.planned() == {}


@pytest.mark.slow
def test_a_damaged_second_attribution_is_no_silent_change(fresh):
    fresh.write_task(TASKS[0], LEXICON)
    config = fresh.config()
    config["tasks"] |= {"include": [TASKS[0]], "items": 12}
    config["models"]["tiny"]["control"] = True  # included whatever its contrast
    fresh.write_config(config)
    fresh.snakemake("attributions")
    shards = (fresh.path / "results/tiny/.store/attribution").glob("*.shard")
    last = max(shards, key=lambda shard: shard.stat().st_mtime_ns)
    content = bytearray(last.read_bytes())
    content[content.rindex(b"BRD1 ") + 300] ^= 0xFF  # the second items' come last
    last.write_bytes(content)
    failed = fresh.snakemake("--forcerun", "attribution", "--", "attributions", check=False)
    assert failed.returncode != 0 and "gone or damaged" in failed.stdout
    fresh.snakemake("attributions")
