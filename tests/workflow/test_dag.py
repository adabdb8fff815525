"""What users rely on: what reruns, what does not, and that no model work is done twice."""

import base64
import html
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from clone import SEED, TASKS, copy_workflow, task_yaml
from reference import log_probability
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.comparison.unit_pages import read_pages
from brodmann.figures.declared import circuits, localizers
from brodmann.figures.declared import study as across
from brodmann.methods import METHODS
from brodmann.store import masks

N = len(TASKS)
BASELINES = {
    "fetch_model": 1,
    "check_model": 1,
    "expand_items": N,
    "settings": 2,
    "baseline_pass": 1,
    "baseline": 1,
}
ATTRIBUTIONS = {
    **BASELINES,
    "expand_second_items": N,
    "settings": 4,
    "attribution_pass": 1,
    "attribution": 1,
}
MASKS = {**ATTRIBUTIONS, "circuit_masks": 1}
ABLATIONS = {
    **MASKS,
    "settings": 6,
    "ablation_pass": 1,
    "ablation": 1,
    "ablation_matrices": 1,
    "forecast": 1,
}
# What is averaged needs no forecast.
AVERAGES = {rule: n for rule, n in ABLATIONS.items() if rule != "forecast"}
AVERAGES |= {"overlap": 1, "average": 1}
STATISTICS = {
    **AVERAGES,
    "settings": 7,
    "structure": 1,
    "structure_function": 1,
    "surface": 1,
    "confounds": 1,
    "printed_tables": 1,
}
LOCALIZERS = {"localizer_pass": 1, "localizer": 1, "lesion_pass": 1, "lesion": 1}


def drawn(models):
    """Figure rules of a study of so many models without networks -> jobs; of several there is an average."""
    jobs = {"{shown}": models + (models > 1), "{model}": models}
    families = [*circuits.FAMILIES, *across.FAMILIES, *localizers.FAMILIES]
    counts = {}
    for family in families:
        name = family.figures[0].name
        counts[family.rule] = next((n for part, n in jobs.items() if part in name), 1)
    # Nothing is compared with exact patching.
    return {rule: n for rule, n in counts.items() if rule != "agreement_figure"}


FIGURES = {
    # Figures read the long tables.
    **{rule: n for rule, n in STATISTICS.items() if rule != "printed_tables"},
    **LOCALIZERS,
    "settings": STATISTICS["settings"] + 4,
    "forecast": 1,
    **drawn(1),
    "written": 1,
}
EVERYTHING = {**FIGURES, "printed_tables": 1, "provenance": 1, "methods": 1, "write_report": 1}
EVERYTHING |= {"units": 1, "massive": 1, "stability": 1}  # which only the report tells
ALL = {**EVERYTHING, "unit_pages": 1, "settings": EVERYTHING["settings"] + 1, "write_atlas": 1}
REPORT = {*drawn(1), "written", "methods", "write_report"}  # what the atlas does without
END = {"accuracy_heatmap": 1, "provenance": 1, "write_report": 1, "write_atlas": 1}


def test_dry_run_lists_exactly_what_would_run(fresh):
    assert fresh.planned() == ALL
    said = fresh.snakemake("--dry-run").stdout
    assert "nothing has been computed yet; a model is loaded" in " ".join(said.split())
    assert "may load" not in said
    assert not (fresh.path / "results").exists()


@pytest.mark.parametrize(
    ("target", "rules"),
    [
        ("models", {"fetch_model": 1}),
        ("items", {"expand_items": N}),
        ("baselines", BASELINES),
        ("attributions", ATTRIBUTIONS),
        ("masks", MASKS),
        ("overlaps", {**MASKS, "overlap": 1}),
        ("ablations", ABLATIONS),
        ("averages", AVERAGES),
        ("statistics", STATISTICS),
        ("figures", FIGURES),
        ("report", EVERYTHING),
        ("atlas", {rule: n for rule, n in ALL.items() if rule not in REPORT}),
        ("networks", {}),
        (
            "localizers",
            {"fetch_model": 1, "check_model": 1, "expand_items": N, "settings": 4, **LOCALIZERS},
        ),
    ],
)
def test_a_named_target_runs_what_it_needs_and_no_more(fresh, target, rules):
    planned = fresh.planned(target)
    assert {rule: n for rule, n in planned.items() if rule != target} == rules


def test_until_stops_after_a_stage(fresh):
    assert fresh.planned("--until", "expand_items") == {"expand_items": N}


def test_numbers_equal_the_reference(finished):
    """The whole way from YAML to JSON, against plain forward passes on the texts of the YAML."""
    model, tokenizer = tiny_model("llama", SEED), tiny_tokenizer()

    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    for task in TASKS:
        record = finished.baseline(task)
        written = {frozenset(i["text"].values()): i["answers"] for i in task_yaml(task)["items"]}
        made = json.loads((finished.path / f"results/items/{task}.json").read_text())
        items = made["wordings"]["completion"]
        assert [row["id"] for row in record["items"]] == list(range(len(items)))
        assert len(items) == len(written)
        both_correct = []
        for row, item in zip(record["items"], items, strict=True):
            prompts = {"clean": item["clean_prompt"], "corrupted": item["corrupted_prompt"]}
            answers = {"correct": item["correct"], "incorrect": item["incorrect"]}
            right, wrong = written[frozenset(prompts.values())]
            yes = prompts["clean"].endswith("yes")
            assert list(answers.values()) == [f" {right}", f" {wrong}"][:: 1 if yes else -1]
            scores = {
                f"{side}_{name}": log_probability(model, ids(prompt), ids(answer))
                for side, prompt in prompts.items()
                for name, answer in answers.items()
            }
            assert {name: row[name] for name in scores} == pytest.approx(scores, abs=1e-4)
            clean = scores["clean_correct"] > scores["clean_incorrect"]
            corrupted = scores["corrupted_incorrect"] > scores["corrupted_correct"]
            if clean and corrupted:
                both_correct.append(row["id"])
        assert record["both_correct_ids"] == both_correct


def test_one_model_load_per_stage(finished):
    """At most: attributions are made on the way of baselines, where a run asks for both."""
    entries = finished.ledger()
    assert sorted((e["stage"], e["model_loads"]) for e in entries) == [
        ("ablation", 1),
        ("attribution", 0),
        ("baseline", 1),
        ("check", 1),
        ("lesion", 1),
        ("localizer", 1),
    ]
    [baseline] = [entry for entry in entries if entry["stage"] == "baseline"]
    assert sorted(baseline["computed"]) == sorted(TASKS)


def test_touching_nothing_reruns_nothing(finished):
    assert finished.planned() == {}


def test_copied_with_its_history_nothing_reruns(root, finished, tmp_path):
    """results/ and .snakemake copied into a clone that is made later: all its files are newer."""
    copy = copy_workflow(root, tmp_path / "new")
    shutil.copytree(finished.path / "data", copy.path / "data", copy_function=shutil.copyfile)
    shutil.copyfile(finished.path / "config.yaml", copy.path / "config.yaml")
    for name in ("results", ".snakemake"):
        shutil.copytree(finished.path / name, copy.path / name)
    assert copy.planned() == {}


def test_copied_without_its_history_no_model_work_is_done(root, finished, tmp_path):
    copy = copy_workflow(root, tmp_path / "new")
    shutil.copytree(finished.path / "results", copy.path / "results", copy_function=shutil.copyfile)
    shutil.copytree(finished.path / "data", copy.path / "data", copy_function=shutil.copyfile)
    shutil.copyfile(finished.path / "config.yaml", copy.path / "config.yaml")
    before = len(copy.ledger())
    copy.snakemake("--forceall", "baselines")
    later = copy.ledger()[before:]
    assert len(later) == 2
    assert all(entry["model_loads"] == 0 for entry in later)
    assert copy.baseline(TASKS[0]) == finished.baseline(TASKS[0])


def test_an_edited_task_is_computed_alone(study):
    task, others = TASKS[0], TASKS[1:]
    scores = {t: study.baseline(t)["items"] for t in others}
    definition = task_yaml(task)
    definition["items"][0]["text"]["clean"] = f"{task} number 000 says hey"
    study.write_task(task, definition)
    before = len(study.ledger())
    study.snakemake("masks")
    entry, attributed = study.ledger()[before:]
    assert entry["computed"] == [task]
    assert sorted(entry["reused"]) == sorted(others)
    # Its attribution was made on the way of its baseline.
    assert attributed["computed"] == [] and attributed["model_loads"] == 0
    # Counted, not inferred: twelve prompts of one length fit into one batch per row length.
    full = study.ledger()[1]["forward_passes"]
    assert 0 < entry["forward_passes"] < full
    assert {t: study.baseline(t)["items"] for t in others} == scores


@pytest.mark.slow
def test_a_comment_in_a_task_costs_no_model_work(study):
    path = study.path / f"data/{TASKS[0]}.yaml"
    path.write_text("# a remark\n" + path.read_text())
    before = len(study.ledger())
    study.snakemake("baselines")
    assert all(entry["model_loads"] == 0 for entry in study.ledger()[before:])


def test_a_new_task_is_computed_alone(study):
    study.write_task("physical/weights", task_yaml("physical/weights"))
    before = len(study.ledger())
    study.snakemake("baselines")
    [entry] = study.ledger()[before:]
    assert entry["computed"] == ["physical/weights"]


# What a run of Snakemake tells its jobs when it starts; a dry run does not get that far.
TOLD = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import DAGSettings, OutputSettings, Quietness, ResourceSettings
from brodmann.pipeline.driver import tell_what_is_asked
from brodmann.runner import asked
for of_run in json.loads(sys.argv[1]):
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        made = api.workflow(ResourceSettings(cores=1), snakefile=Path("Snakefile"))
        settings = DAGSettings(**{key: set(names) for key, names in of_run.items()})
        workflow = made.dag(settings).workflow_api._workflow
        workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True)
        workflow._build_dag()
        workflow.async_run(workflow.dag.postprocess(update_needrun=False, check_initial=True))
    tell_what_is_asked(workflow)
    print("told", asked.attributions_are_asked())
"""
RUNS = (
    ({"targets": ["baselines"]}, False),
    ({"targets": ["masks"]}, True),
    # Made of baselines alone, whatever its name says.
    ({"targets": ["results/figures/accuracy_heatmap.png"]}, False),
    ({"targets": ["masks"], "until": ["baseline"]}, False),
    ({"targets": ["masks"], "omit_from": ["attribution_pass"]}, False),
)


def test_jobs_are_told_whether_their_run_needs_attributions(fresh):
    """Then they are made on the way of the baselines, which alone are to stay cheap."""
    wanted = json.dumps([run for run, _ in RUNS])
    command = [sys.executable, "-c", TOLD, wanted]
    done = subprocess.run(command, cwd=fresh.path, capture_output=True, text=True, check=True)
    told = [line == "told True" for line in done.stdout.splitlines() if line.startswith("told")]
    assert told == [needs for _, needs in RUNS], done.stdout


@pytest.mark.parametrize(
    ("file", "jobs"),
    [
        (f"results/tiny/baseline/{TASKS[1]}.json", {"baseline": 1, **END}),
        ("results/tiny/model.json", {"check_model": 1}),
        ("results/figures/accuracy_heatmap.png", {"accuracy_heatmap": 1, "write_report": 1}),
        ("results/provenance.json", {"provenance": 1, "write_report": 1, "write_atlas": 1}),
        ("results/report.html", {"write_report": 1}),
        ("results/atlas/index.html", {"write_atlas": 1}),
        (f"results/items/{TASKS[0]}.json", {"expand_items": 1}),
        ("results/tiny/.source.json", {"fetch_model": 1}),
    ],
)
def test_a_deleted_file_is_rebuilt(study, file, jobs):
    (study.path / file).unlink()
    planned = study.planned()
    assert {rule: planned.get(rule) for rule in jobs} == jobs


@pytest.mark.slow
def test_deleted_files_come_back_without_model_work(study):
    files = [f"results/tiny/baseline/{TASKS[1]}.json", "results/tiny/model.json"]
    contents = {file: json.loads((study.path / file).read_text()) for file in files}
    for file in files:
        (study.path / file).unlink()
    before = len(study.ledger())
    study.snakemake("baselines")
    assert {file: json.loads((study.path / file).read_text()) for file in files} == contents
    assert all(entry["model_loads"] == 0 for entry in study.ledger()[before:])


@pytest.mark.slow
def test_the_store_can_be_deleted(study):
    expected = {task: study.baseline(task) for task in TASKS}
    shutil.rmtree(study.path / "results/tiny/.store")
    study.snakemake("--forcerun", "baseline", "--", "baselines")
    for task in TASKS:
        rows = zip(study.baseline(task)["items"], expected[task]["items"], strict=True)
        # In other company than before: its scores agree but for rounding.
        for found, item in rows:
            assert found.keys() == item.keys()
            for name, value in item.items():
                assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_a_damaged_store_says_so_and_heals(study):
    [shard] = (study.path / "results/tiny/.store/baseline").glob("*.shard")
    content = bytearray(shard.read_bytes())
    content[300] ^= 0xFF  # in the first record's payload
    shard.write_bytes(content)
    failed = study.snakemake("--forcerun", "baseline", "--", "baselines", check=False)
    assert failed.returncode != 0
    assert "is gone or damaged (run the same command again: it is computed anew)" in failed.stdout
    assert "Traceback" not in failed.stdout
    before = len(study.ledger())
    study.snakemake("baselines")
    assert [len(entry["computed"]) for entry in study.ledger()[before:]] == [1]


@pytest.mark.parametrize(
    "file",
    [f"results/items/{TASKS[0]}.json", "results/tiny/model.json", "results/tiny/.source.json"],
)
@pytest.mark.parametrize("content", ["{}", '{"task": ', ""])
def test_damaged_intermediate_files_are_named(study, file, content):
    from brodmann.errors import UserError
    from brodmann.models.card import ModelCard
    from brodmann.models.sources import WeightsRecord
    from brodmann.tasks.items import read_items

    path = study.path / file
    path.write_text(content)
    read = {"model.json": ModelCard.read, ".source.json": WeightsRecord.read}
    with pytest.raises(UserError, match="delete it and run again to rebuild it"):
        read.get(path.name, read_items)(path)


def test_running_a_checkpoints_own_code_changes_the_key(finished):
    from dataclasses import replace

    from brodmann.models.card import ModelCard

    card = ModelCard.read(finished.path / "results/tiny/model.json")
    assert card.identity() != replace(card, trust_remote_code=True).identity()


def as_written_earlier(study, dtype):
    """Turn the card, and what Snakemake noted of its rule, into what version 1 of the check wrote."""
    card = study.path / "results/tiny/model.json"
    times = card.stat().st_atime_ns, card.stat().st_mtime_ns
    facts = {k: v for k, v in json.loads(card.read_text()).items() if k != "logits"}
    card.write_text(json.dumps({**facts, "dtype": dtype}))
    os.utime(card, ns=times)
    note = base64.b64encode(b"results/tiny/model.json").decode()
    [path] = (study.path / ".snakemake" / "metadata").rglob(note)
    noted = json.loads(path.read_text())
    noted["params"] = ["1" if value == "2" else value for value in noted["params"]]
    path.write_text(json.dumps(noted))


@pytest.mark.slow
def test_float32_logits_rerun_narrow_models_only(fresh):
    """Numbers that were found before bf16 and fp16 models had float32 logits: those of others stand."""
    fresh.snakemake("baselines")
    as_written_earlier(fresh, "float32")
    assert fresh.planned("baselines") == {}
    as_written_earlier(fresh, "bfloat16")
    assert {"check_model", "baseline_pass", "baseline"} <= fresh.planned("baselines").keys()


def test_execution_settings_rerun_nothing(study):
    config = study.config()
    config["execution"] = {"device": "cpu", "batch_tokens": 64, "cache": "elsewhere"}
    config["models"]["tiny"]["attn_implementation"] = "eager"
    study.write_config(config)
    assert study.planned("--cores", "1") == {}


def test_a_threshold_costs_no_model_work(study):
    config = study.config()
    config["tasks"]["filter"] = "both_correct"
    config["tasks"]["min_both_correct"] = 1.0
    del config["models"]["tiny"]["filter"]
    study.write_config(config)
    before = len(study.ledger())
    assert 'inclusion.filter "aligned" -> "both_correct"' in study.where()["tiny: baselines"]
    # A run that was killed right after it noted its settings.
    study.snakemake("results/tiny/.store/baseline.settings.json")
    assert study.where()["tiny: baselines"] == "made with other settings"
    said = study.snakemake("overlaps").stdout
    assert study.where()["tiny: baselines"] == "done"
    assert "Choosing the tasks" in said and "Asking the models" not in said
    assert all(entry["model_loads"] == 0 for entry in study.ledger()[before:])
    record = study.baseline(TASKS[0])
    assert not record["included"] and "below 1" in record["reason"]


@pytest.mark.slow
def test_an_untrained_model_has_the_items_of_its_trained_one(study):
    config = study.config()
    tiny = config["models"]["tiny"]
    plain = {**tiny, "untrained": True, "control": True, "filter": "aligned"}
    config["models"] = {"tiny": {**tiny, "filter": "both_correct"}, "plain": plain}
    config["tasks"] |= {"min_both_correct": 0, "min_items": 1}
    config["attribution"] = {"second_seed": False, "agreement": {"tasks": []}}
    study.write_config(config)
    paths = [f"results/plain/baseline/{task}.json" for task in TASKS]
    study.snakemake(*paths, "attributions")
    loads = [(entry["stage"], entry["model_loads"]) for entry in study.ledger("plain")]
    assert loads == [("check", 1), ("baseline", 1), ("attribution", 0)], "all in one reading"
    found = []
    for path, task in zip(paths, TASKS, strict=True):
        own, theirs = json.loads((study.path / path).read_text()), study.baseline(task)
        assert own["metadata"]["items_of"] == "tiny"
        aligned = {item["id"] for item in own["items"]}
        lent = set(theirs["used_ids"]) if theirs["included"] else set()
        assert own["used_ids"] == sorted(aligned & lent)
        found.append(len(own["used_ids"]) < len(aligned))
    # The trained one does not use them all.
    assert any(found)
    # What changes the items of the one changes those of the other.
    study.write_config({**config, "tasks": {**config["tasks"], "min_both_correct": 1.0}})
    planned = study.snakemake("--dry-run", *paths, "attributions").stdout
    assert "baseline_pass" not in planned and "attribution_pass" in planned
    study.snakemake(*paths, "attributions")
    again = [(entry["stage"], entry["model_loads"]) for entry in study.ledger("plain")]
    assert again == [*loads, ("attribution", 0)]
    changed = json.loads((study.path / paths[0]).read_text())
    assert not changed["included"] and "tiny leaves the task out" in changed["reason"]


@pytest.mark.slow
def test_settings_count_at_once_when_the_pass_reruns_for_another_reason(study):
    """A new task makes the pass rerun; the new threshold must reach the old tasks in the same run."""
    study.write_task("physical/weights", task_yaml("physical/weights"))
    config = study.config()
    config["models"]["tiny"]["filter"] = "both_correct"
    config["tasks"]["min_both_correct"] = 1.0
    study.write_config(config)
    study.snakemake("baselines")
    assert study.baseline(TASKS[0])["metadata"]["inclusion"]["filter"] == "both_correct"
    assert study.planned("baselines") == {}


@pytest.mark.slow
def test_prompting_reruns_the_model(study):
    config = study.config()
    config["models"]["tiny"]["bos"] = "model"
    study.write_config(config)
    assert study.planned("baselines") == {
        "settings": 2,
        "baseline_pass": 1,
        "baseline": 1,
    }


@pytest.mark.parametrize(
    ("method", "rerun"),
    [
        ("baseline", {"settings", "baseline_pass", "baseline", "attribution_pass", "attribution"}),
        ("inclusion", {"settings", "baseline", "attribution_pass", "attribution"}),
        ("attribution", {"settings", "attribution_pass", "attribution"}),
        ("masks", set()),
        ("accuracy", set()),
    ],
)
def test_a_new_method_version_reruns_that_method(study, method, rerun):
    version = METHODS[method]
    written = (f'"{method}": {number},' for number in (version, version + 1))
    place = "methods.py" if method == "accuracy" else "circuits/__init__.py"
    study.replace(f"src/brodmann/{place}", *written)
    planned = set(study.planned())
    assert planned & {"fetch_model", "check_model", "expand_items"} == set()
    model_work = {"settings", "baseline_pass", "baseline", "attribution_pass", "attribution"}
    assert planned & model_work == rerun
    assert ("circuit_masks" if method == "masks" else "write_report") in planned


@pytest.mark.slow
def test_other_weights_in_the_same_folder_are_noticed(study, tiny_weights, tmp_path):
    from tiny_models import save_tiny

    weights = tmp_path / "weights"
    shutil.copytree(tiny_weights, weights)
    config = study.config()
    config["models"]["tiny"]["source"] = f"path:{weights}"
    study.write_config(config)
    before = len(study.ledger())
    study.snakemake("baselines")
    # The same weights elsewhere: everything is looked at again, nothing is computed again.
    assert all(entry["model_loads"] == 0 for entry in study.ledger()[before:])
    shutil.rmtree(weights)
    save_tiny(weights, "llama", seed=7)
    before = len(study.ledger())
    study.snakemake("baselines")
    assert [e["model_loads"] for e in study.ledger()[before:]] == [1, 1]


@pytest.mark.slow
def test_a_killed_run_resumes(fresh):
    for task in TASKS:
        fresh.write_task(task, task_yaml(task, n_items=60))
    config = fresh.config()
    config["execution"] = {"batch_tokens": 1}  # one row at a time: slow enough to be caught
    fresh.write_config(config)
    store = fresh.path / "results/tiny/.store/baseline"
    fresh.kill_snakemake(
        "baselines", when=lambda: any(path.stat().st_size for path in store.glob("*.open"))
    )
    assert not (fresh.path / "results/tiny/.store/baseline.json").exists()
    fresh.snakemake("--unlock")
    fresh.snakemake("baselines")
    entry = fresh.ledger()[-1]
    assert entry["stage"] == "baseline"
    assert len(entry["reused"]) >= 1 and len(entry["computed"]) >= 1
    assert sorted(entry["reused"] + entry["computed"]) == sorted(TASKS)


@pytest.mark.slow
def test_directory_runs_a_second_study(study, tmp_path):
    """Workflow, config, tasks from the clone; results below the other directory."""
    other = tmp_path / "second"
    other.mkdir()
    before = sorted(path for path in (study.path / "results").rglob("*"))
    study.snakemake("--directory", other, "--config", "tasks={items: 5, min_items: 1}")
    assert (
        json.loads((other / f"results/tiny/baseline/{TASKS[0]}.json").read_text())["n_items"] == 5
    )
    assert (other / "results/report.html").is_file()
    assert sorted(path for path in (study.path / "results").rglob("*")) == before
    assert study.planned("--directory", other, "--config", "tasks={items: 5, min_items: 1}") == {}


def test_what_a_domain_says_of_itself_stands_in_the_methods(study):
    said = 'name: language\ncolour: "#C0392B"\ntext: Words, and what they mean.\n'
    (study.path / "data/language/domain.yaml").write_text(said)
    assert study.planned("results/methods.md") == {"methods": 1}


def test_a_configfile_stands_alone(study, tiny_weights):
    (study.path / "other.yaml").write_text(f"models: {{alone: {{source: 'path:{tiny_weights}'}}}}")
    given = ("--dry-run", "--printshellcmds", "baselines", "--configfile", "other.yaml")
    text = study.snakemake(*given).stdout
    assert "results/alone/baseline" in text and "results/tiny" not in text


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        # A rule of this name there is, but it is of a model.
        ("baseline", "baseline: no such target (did you mean 'baselines'?)"),
        ("other.yaml", "other.yaml: is a config file, not a target (did you mean '--configfile o"),
        (
            "--configfile other.yaml baselines masks --quiet",
            "baselines: was taken for a config file (type: snakemake baselines masks --cores 2 "
            "--dry-run --configfile other.yaml --quiet)",
        ),
        ("--configfile nowhere.yaml", "nowhere.yaml: no such config file"),
    ],
)
def test_a_target_that_there_is_not(fresh, tmp_path, monkeypatch, asked, message):
    # Another package of the name may be installed: it is the checkout's own that says what is wrong.
    other = tmp_path / "installed/brodmann/__init__.py"
    other.parent.mkdir(parents=True)
    other.write_text("raise SystemExit('the wrong package')")
    path = [str(other.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    shutil.copyfile(fresh.path / "config.yaml", fresh.path / "other.yaml")
    done = fresh.snakemake("--dry-run", *asked.split(), check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert next(line for line in done.stdout.splitlines() if message in line).startswith("ERROR: ")
    assert "Building DAG" not in done.stdout


def test_config_errors_end_at_once_without_a_traceback(fresh):
    config = fresh.config()
    config["models"]["tiny"]["dtpye"] = "float32"
    config["taks"] = {}
    fresh.write_config(config)
    done = fresh.snakemake(check=False)
    assert done.returncode != 0
    assert (
        "ERROR: config.yaml:3: models.tiny.dtpye: unknown key (did you mean 'dtype'?)"
        in done.stdout
    )
    assert "taks: unknown key (did you mean 'tasks'?)" in done.stdout
    assert "Traceback" not in done.stdout and 'File "' not in done.stdout
    assert not (fresh.path / "results").exists()


def test_a_bad_task_names_file_item_and_field(fresh):
    definition = task_yaml(TASKS[0])
    definition["items"][3]["answers"] = ["same", "same"]
    text = definition["items"][5]["text"]
    text["corrupted"] = text["clean"]
    fresh.write_task(TASKS[0], definition)
    done = fresh.snakemake("items", check=False)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if "ERROR:" in line]
    assert len(lines) == len(set(lines))  # in the end of the log, and not beside it
    assert any(f"data/{TASKS[0]}.yaml" in line and "3" in line for line in lines)
    assert any(f"data/{TASKS[0]}.yaml" in line and "5" in line for line in lines)
    assert not (fresh.path / f"results/items/{TASKS[0]}.json").exists()


def test_report_and_provenance(finished):
    report = (finished.path / "results/report.html").read_text()
    assert "accuracy_heatmap.csv" in report and "independent guesses reach 25\u00a0%" in report
    record = json.loads((finished.path / "results/provenance.json").read_text())
    assert set(record["tasks"]) == set(TASKS)
    assert len(record["models"]["tiny"]["weights_hash"]) == 64
    assert "execution" not in record["config"]
    metadata = finished.baseline(TASKS[0])["metadata"]
    assert metadata["model"]["weights"] == record["models"]["tiny"]["weights_hash"]
    assert metadata["packages"]["torch"]
    assert metadata["items_sha256"] == record["tasks"][TASKS[0]]["items_sha256"]["completion"]


def test_units_of_circuits_have_pages_where_there_are_no_networks(finished):
    """Their tokens come from the ablation pass."""
    own = finished.path / "results/tiny"
    pages = read_pages(own / "units/pages.json")
    neurons = {(one.layer, one.unit) for one in pages.units if one.site == "mlp_hidden"}
    [ablated] = [path.name for path in (own / "ablation/neurons").iterdir() if path.is_dir()]
    files = list((own / "masks/neurons" / ablated).rglob("*.csv"))
    assert neurons == {unit for path in files for unit in masks.read(path).units} != set()
    assert all(one.promotes and not one.driven.highest for one in pages.units)
    assert pages.networks == () and "networks.datasets" in " ".join(pages.notes)


def test_a_full_study_can_be_planned(fresh, tiny_weights):
    """7 models x 46 tasks: the plan is complete (its time is in docs/performance.md)."""
    shutil.rmtree(fresh.path / "data")
    sizes = {"language": 8, "formal": 20, "physical": 9, "social": 9}
    for domain, count in sizes.items():
        for n in range(count):
            fresh.write_task(f"{domain}/task{n:02d}", task_yaml(f"{domain}{n}", 3))
    source = f"path:{tiny_weights}"
    config = fresh.config()
    config["models"] = {f"model{n}": {"source": source} for n in range(7)}
    fresh.write_config(config)
    assert fresh.planned() == {
        "fetch_model": 7,
        "check_model": 7,
        "expand_items": 46,
        "expand_second_items": 46,
        "settings": 84,
        "baseline_pass": 7,
        "baseline": 7,
        "attribution_pass": 7,
        "attribution": 7,
        "circuit_masks": 7,
        "ablation_pass": 7,
        "ablation": 7,
        "ablation_matrices": 7,
        "forecast": 7,
        "overlap": 7,
        "average": 1,
        "structure": 1,
        "structure_function": 1,
        "surface": 7,
        "confounds": 1,
        "printed_tables": 1,
        **drawn(7),
        **dict.fromkeys(("localizer_pass", "localizer", "lesion_pass", "lesion", "written"), 7),
        "provenance": 1,
        "methods": 1,
        "units": 7,
        "unit_pages": 7,
        "massive": 7,
        "stability": 7,
        "write_report": 1,
        "write_atlas": 1,
    }


def first_table(report):
    """The cells of the report's first table, tags left out."""
    body = re.search(r"<tbody>(.*?)</tbody>", report.read_text(encoding="utf-8"), re.S)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.S)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in rows]
    plain = [[html.unescape(re.sub("<[^>]+>", "", cell)) for cell in row] for row in cells]
    return [[cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row] for row in plain]


def test_a_run_says_what_it_does_and_what_was_found(finished):
    lines = finished.said.splitlines()
    for stage in ("Writing the items", "Asking the models", "Silencing the circuits", "Drawing"):
        (line,) = [line for line in lines if stage in line]
        assert re.match(r"\[ *\d+ of \d+\] ", line)
    assert len(lines) < 30 and "\033" not in finished.said
    rows = first_table(finished.path / "results/report.html")
    effects = [f": {row[4].partition(';')[0]}" if row[4] != "–" else "" for row in rows]
    said = {f"{row[0]} {row[5]} ({row[1]}{of})." for row, of in zip(rows, effects, strict=True)}
    told = [line for line in lines if line in said]
    # Overlap, own circuits, a localizer: a study of no network.
    assert len(told) == 3 and all(line in said for line in lines if "? " in line)
    assert f"The report: {(finished.path / 'results/report.html').resolve()}" in lines
    assert f"The atlas: {(finished.path / 'results/atlas/index.html').resolve()}" in lines


def test_a_changed_threshold_is_summed_up_on_one_screen(study):
    config = study.config()
    config["tasks"]["min_items"] = 2
    study.write_config(config)
    lines = study.snakemake("--dry-run").stdout.splitlines()
    assert len(lines) < 25 and max(map(len, lines)) <= 120
    assert any(line.startswith("Settings have changed") for line in lines)
    assert any(re.match(r"Changed since: tasks.min_items \d+ -> 2\.", line) for line in lines)
    # What raises a threshold loads none; a dry run cannot know.
    (passes,) = [line for line in lines if "may load" in line]
    assert passes.startswith("ablation_pass, attribution_pass may load a model: ")
    assert not any("is loaded" in line for line in lines)


def test_baselines_end_with_a_table_of_accuracies(study):
    """Also where nothing is left to do."""
    text = study.snakemake("baselines").stdout
    baselines = [study.baseline(task) for task in TASKS]
    rows = [line.split() for line in text.splitlines()]
    assert ["model", *[task.partition("/")[0] for task in TASKS], "included"] in rows
    (row,) = [row for row in rows if row[:1] == ["tiny"]]
    shares = [f"{100 * one['both_correct_accuracy']:.0f}" for one in baselines]
    assert row[1::5] == [*shares, str(N)]
