"""Localizers through the workflow: files against scipy and naive lesions, and what is measured again."""

import json
import math
import os

import numpy as np
import pandas as pd
import pytest
from clone import SEED, TASKS
from reference import log_probability
from rounding import assert_same
from safetensors import safe_open
from scipy.stats import ttest_ind
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.localizers.lesion import lesion
from brodmann.models.load import wrap_model
from brodmann.store import masks

FOLDER = "results/tiny/localizer"
N = len(TASKS)


@pytest.fixture(scope="module")
def model():
    return wrap_model(tiny_model("llama", SEED), tiny_tokenizer(), name="tiny")


def tensors(study, network="language"):
    with safe_open(study.path / FOLDER / network / "selectivity.safetensors", "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def table(study, network="language"):
    return pd.read_csv(study.path / FOLDER / network / "lesion.csv", keep_default_na=False)


def pairs(study, name, network="language"):
    return list(masks.read(study.path / FOLDER / network / f"{name}.csv").units)


def configure(study, **localizer):
    config = study.config()
    config["localizer"] = localizer
    study.write_config(config)
    return len(study.ledger())


def test_selectivity_is_that_of_the_texts(finished, model):
    import torch

    responses = []
    for name in ("sentences", "nonwords"):
        path = finished.path / f"stimuli/language/{name}.txt"
        values = []
        for line in path.read_text().splitlines():
            row = model.tokenizer(line.lower())["input_ids"][:12]
            with torch.no_grad():
                states = model.hf(input_ids=torch.tensor([row]), output_hidden_states=True)
            # The last of them is normed: the blocks' own outputs but for the last block.
            values.append(torch.stack(states.hidden_states[1:-1])[:, 0, -1].abs().numpy())
        responses.append(np.stack(values).astype(float))
    expected = ttest_ind(*responses, axis=0, equal_var=False)
    found, metadata = tensors(finished)
    assert found["t"].shape == (3, 32) and found["t"].dtype == np.float64
    assert_same(found["t"][:-1], expected.statistic)
    assert_same(found["p"][:-1], expected.pvalue)
    assert (found["p_fdr"] >= found["p"]).all()
    assert json.loads(metadata["n_positive"]) == 245
    assert json.loads(metadata["pooling"]) == "last-token"


def test_selections_lie_beside_it(finished):
    t = tensors(finished)[0]["t"]
    assert pairs(finished, "top-1.0pct") == [np.unravel_index(t.argmax(), t.shape)]
    controls = [tuple(pairs(finished, f"random-1.0pct-seed{n}")) for n in (42, 43, 44)]
    assert all(len(own) == 1 and own[0] != pairs(finished, "top-1.0pct")[0] for own in controls)
    assert len(list((finished.path / FOLDER / "language").glob("*.csv"))) == 6


def test_the_table_holds_true_lesions(finished, model):
    found = table(finished)
    assert found.condition.value_counts().to_dict() == {
        "intact": 2 + N,
        "lesion": 2 + N,
        "random": 3 * (2 + N),
    }
    text = (finished.path / "stimuli/corpus/prose.txt").read_text().split("\n\n")
    rows = [model.tokenizer(passage.strip())["input_ids"] for passage in text]
    for condition, units in (("intact", []), ("lesion", pairs(finished, "top-1.0pct"))):
        with lesion(model, units):
            total = sum(log_probability(model.hf, row[:1], row[1:]) for row in rows)
        expected = math.exp(-total / sum(len(row) - 1 for row in rows))
        [row] = found[(found.condition == condition) & (found.measure == "perplexity")].to_dict(
            "records"
        )
        assert row["value"] == pytest.approx(expected, rel=1e-4)
        assert row["low"] < row["value"] < row["high"] and row["n"] == len(rows) == 20
    task = TASKS[0]
    made = json.loads((finished.path / f"results/items/{task}.json").read_text())

    def ids(text):
        return model.tokenizer(text)["input_ids"]

    with lesion(model, pairs(finished, "random-1.0pct-seed43")):
        right = [
            log_probability(model.hf, ids(item["clean_prompt"]), ids(item["correct"]))
            > log_probability(model.hf, ids(item["clean_prompt"]), ids(item["incorrect"]))
            for item in made["wordings"]["completion"]
        ]
    [row] = found[(found.task == task) & (found.seed.astype(str) == "43")].to_dict("records")
    assert row["value"] == pytest.approx(np.mean(right)) and row["n"] == len(right)
    tested = found[(found.condition != "intact") & (found.measure != "word_perplexity")]
    assert (tested.q.astype(float) >= tested.p.astype(float)).all()
    assert (tested[tested.condition == "lesion"].p_random != "").all()


def test_a_second_run_does_nothing(finished):
    assert finished.planned("localizers") == {}


def test_a_study_may_have_no_localizers(study):
    configure(study, networks=[])
    planned = study.planned()
    assert not {"localizer_pass", "lesion_pass", "localizer_figures", "written"} & set(planned)


@pytest.mark.slow
def test_another_percentage_measures_no_response_again(study):
    before = configure(study, percentages=[1.0, 5.0], range="0-0")
    study.snakemake("localizers")
    [entry] = study.ledger()[before:]
    assert (entry["stage"], entry["model_loads"]) == ("lesion", 1)
    t = tensors(study)[0]["t"]
    assert pairs(study, "least-1.0pct") == [np.unravel_index(t.argmin(), t.shape)]
    assert len(pairs(study, "least-5.0pct")) == 4
    assert set(table(study).selection) == {"", "least-1.0pct", "least-5.0pct"}
    study.snakemake("localizers")
    assert len(study.ledger()) == before + 1


@pytest.mark.slow
def test_another_network_and_kind_measure_what_is_new(study):
    lesion_settings = {"kinds": ["zero", "mean"], "tasks": [TASKS[0]], "seeds": [42]}
    networks = ["language", "multiple-demand", "theory_of_mind"]
    before = configure(study, networks=networks, lesion=lesion_settings)
    study.snakemake("localizers")
    entries = study.ledger()[before:]
    assert [entry["stage"] for entry in entries] == ["localizer", "lesion"]
    assert entries[0]["computed"] == ["multiple_demand", "theory_of_mind"]
    assert entries[0]["reused"] == ["language"]
    # Per new network two kinds of lesion and control, and language's mean; less where masks coincide.
    assert 2 <= entries[1]["lesions"] <= 10 and entries[1]["model_loads"] == 1
    assert set(table(study, "theory_of_mind").kind) == {"", "zero", "mean"}
    assert json.loads(tensors(study, "theory_of_mind")[1]["pooling"]) == "mean"


@pytest.mark.slow
def test_other_pooling_measures_responses_again(study):
    before = configure(study, pooling={"language": "mean"}, lesion={"tasks": []})
    study.snakemake("localizers")
    assert study.ledger()[before]["stage"] == "localizer"
    assert set(table(study).measure) == {"perplexity", "word_perplexity"}


@pytest.mark.slow
def test_changed_texts_are_noticed(study):
    path = study.path / "stimuli/language/sentences.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[1], *lines[1:]]) + "\n")
    planned = study.planned("localizers")
    assert planned["localizer_pass"] == 1 and "settings" not in planned
    path.write_text("too short\n")
    failed = study.snakemake("localizers", check=False)
    assert failed.returncode != 0 and "sentences.txt:1: 2 words, not 12" in failed.stdout
    assert "Traceback" not in failed.stdout


@pytest.mark.slow
def test_a_killed_pass_goes_on_where_it_was(study):
    """kill -9 in the middle of the lesions: those that were written are not measured again."""
    configure(study, lesion={"kinds": ["mean"], "seeds": list(range(20))})
    folder = study.path / "results/tiny/.store/lesion"
    known = set(folder.iterdir())

    def wrote():
        return any(path.stat().st_size > 4000 for path in set(folder.iterdir()) - known)

    study.kill_snakemake("localizers", when=wrote)
    [written] = set(folder.iterdir()) - known
    stored = written.read_bytes().count(b"BRD1 ")
    assert stored >= 2
    study.snakemake("--unlock")
    before = len(study.ledger())
    study.snakemake("localizers")
    [entry] = study.ledger()[before:]
    assert entry["stage"] == "lesion"
    assert entry["rows"] <= 21 * (1 + N) - stored


@pytest.mark.slow
def test_a_damaged_store_heals(study):
    expected = tensors(study)[0]["t"]
    [shard] = (study.path / "results/tiny/.store/localizer").glob("*.shard")
    content = bytearray(shard.read_bytes())
    content[1000] ^= 0xFF
    shard.write_bytes(content)
    failed = study.snakemake("--forcerun", "localizer", "--", "localizers", check=False)
    assert failed.returncode != 0 and "is gone or damaged" in failed.stdout
    study.snakemake("--forcerun", "localizer", "--", "localizers")
    assert_same(tensors(study)[0]["t"], expected)


def test_too_many_units_say_so(study):
    configure(study, percentages=[60.0])
    failed = study.snakemake("localizers", check=False)
    assert failed.returncode != 0 and "left for a random control" in failed.stdout
    assert "Traceback" not in failed.stdout


def test_generate_prints_three_continuations(finished):
    import subprocess
    import sys

    mask = f"{FOLDER}/language/top-1.0pct.csv"
    command = [sys.executable, "-m", "brodmann.cli", "generate", "--model", "tiny", "--mask", mask]
    done = subprocess.run(
        [*command, "--prompt", "one day", "--tokens", "5"],
        cwd=finished.path,
        env={**os.environ, "PYTHONPATH": str(finished.path / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines if line[:1].isalpha()] == [
        "intact",
        "lesioned (1 units)",
        "random (1 units, seed 42)",
    ]


def test_align_exports_activations_and_predicts_recordings(finished, tmp_path):
    import subprocess
    import sys

    (tmp_path / "s.txt").write_text("".join(f"one day number {n}\n" for n in range(12)))
    rows = [f"{n},{n * n % 7}" for n in range(12)]
    (tmp_path / "v.csv").write_text("\n".join(["a,b", *rows]) + "\n")
    mask = f"{FOLDER}/language/top-1.0pct.csv"
    command = [sys.executable, "-m", "brodmann.cli", "align", "--model", "tiny", "--mask", mask]
    command += ["--stimuli", f"{tmp_path}/s.txt", "--out", f"{tmp_path}/out"]
    environment = {**os.environ, "PYTHONPATH": str(finished.path / "src")}
    given = {"cwd": finished.path, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([*command, "--voxels", f"{tmp_path}/v.csv", "--folds", "3"], **given)
    assert done.returncode == 0, done.stderr
    written = {path.name for path in (tmp_path / "out").iterdir()}
    tables = ("alignment.csv", "alignment_summary.csv")
    random = {f"activations.random-seed{seed}.csv" for seed in (42, 43, 44)}
    assert written == {"activations.localized.csv", *tables} | random
    assert len((tmp_path / "out" / "alignment.csv").read_text().splitlines()) == 1 + 4 * 2
    failed = subprocess.run([*command, "--voxels", f"{tmp_path}/s.txt"], **given)
    assert failed.returncode == 1 and failed.stderr.startswith("ERROR: ")
    assert failed.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_model_without_massive_activations_loses_nothing_when_they_are_left_out(study):
    """The files of an empty set, its figure and its place in the report; and nothing is measured again."""
    was = table(study)
    before = configure(study, massive="separate")
    study.snakemake("report")
    assert {entry["stage"] for entry in study.ledger()[before:]} <= {"lesion"}
    assert pairs(study, "massive") == []
    assert pairs(study, "with-massive-1.0pct") == pairs(study, "top-1.0pct")
    # Rates of false discoveries are over a table that has more lesions.
    found, was = (own.drop(columns=["q", "q_random"]) for own in (table(study), was))
    assert found[found["condition"] != "with_massive"].reset_index(drop=True).equals(was)
    kept = found[found["condition"] == "with_massive"].value.tolist()
    assert kept == found[found["condition"] == "lesion"].value.tolist()
    assert (study.path / "results/figures/localizer_massive.svg").is_file()
    page = (study.path / "results/report.html").read_text()
    assert "With and without massive activations" in page
