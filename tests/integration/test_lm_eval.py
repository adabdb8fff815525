"""lm-evaluation-harness itself loads an export, and its verdicts and scores are brodmann's.

The harness has an environment of its own: `make test-lm-eval` makes it and runs this file.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from brodmann import cli
from brodmann.circuits.inclusion import baseline_of
from brodmann.runner.answers import DUAL_SCORES, queries_of, score_items
from brodmann.runner.encode import Encoder
from brodmann.runner.prompting import PromptPlan
from brodmann.runner.scoring import Scorer
from brodmann.tasks.catalogue import domain_of, list_tasks, task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.domains import PUBLISHED as DOMAINS
from brodmann.tasks.expand import expand
from brodmann.tasks.lm_eval import SIDES, documents, harness_name, pair_shares, read_samples

pytestmark = pytest.mark.slow

TASKS = ("language/subject_verb_agreement", "social/desires_goals")
COMPLETION = PromptPlan("completion", wrapped=False)
# The harness sends no empty system turn: the template's own default stands in both.
CHAT = PromptPlan("chat", wrapped=True, system=None)

LOAD_ALL = """
import json, sys
from lm_eval.tasks import TaskManager
loaded = TaskManager(include_path=sys.argv[1], include_defaults=False).load(["brodmann"])
print(json.dumps({
    "groups": sorted(loaded["groups"]),
    "tasks": {
        name: [[task.doc_to_text(d), task.doc_to_choice(d), task.doc_to_target(d)]
               for d in task.eval_docs]
        for name, task in loaded["tasks"].items()
    },
}))
"""


@pytest.fixture(scope="module")
def harness(root, tmp_path_factory):
    """Runs the Python that has the harness; the module's tests are skipped where there is none."""
    python = os.environ.get("BRODMANN_LM_EVAL_PYTHON") or sys.executable
    folder = tmp_path_factory.mktemp("harness")
    environment = {
        **os.environ,
        "HF_DATASETS_CACHE": str(folder / "datasets"),
        # For the adapter; the harness' environment does not have brodmann installed.
        "PYTHONPATH": str(root / "src"),
        "OMP_NUM_THREADS": str(os.cpu_count() or 1),
    }

    def run(*arguments):
        return subprocess.run(
            [Path(python).absolute(), *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )

    if shutil.which(python) is None or run("-c", "import lm_eval").returncode != 0:
        pytest.skip(
            f"{python} cannot import lm_eval: run 'make test-lm-eval', or set "
            "BRODMANN_LM_EVAL_PYTHON to a Python that can"
        )

    def checked(*arguments):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return checked


def items_of(root, study, task, count):
    definition = load_definition(task_path(root / "data", task), study.tasks.level(task))
    return expand(task, definition, seed=study.tasks.seed, count=count)


def export(folder, *arguments):
    assert cli.main(["export-lm-eval", "--out", str(folder), *arguments]) == 0


def samples_of(harness, weights, exported, output, tasks, *options):
    """Task -> what the harness logged of it."""
    harness(
        *("-m", "lm_eval", "--model", "hf", "--device", "cpu", "--batch_size", "8"),
        *("--model_args", f"pretrained={weights},dtype=float32"),
        *("--include_path", str(exported), "--tasks", ",".join(map(harness_name, tasks))),
        *("--log_samples", "--output_path", str(output), *options),
    )
    found = {}
    for task in tasks:
        [path] = output.glob(f"*/samples_{harness_name(task)}_*.jsonl")
        found[task] = read_samples(path)
    return found


def ours(model, items, plan):
    """(item, side) -> lp(right) - lp(wrong) by brodmann's own scoring; aligned or not."""
    encoded = Encoder(model.tokenizer, "smollm2").encode(items, plan)
    queries = [query for item in encoded for query in queries_of(item)]
    values = iter(Scorer(model).log_probabilities(queries))
    margins = {}
    for number in range(len(encoded)):
        row = {name: next(values) for name in DUAL_SCORES}
        margins[number, "clean"] = row["clean_correct"] - row["clean_incorrect"]
        margins[number, "corrupted"] = row["corrupted_incorrect"] - row["corrupted_correct"]
    return margins


def compare(samples, expected):
    """Every document: the same difference of log-probabilities to 1e-3, and but for ties the same verdict."""
    assert len(samples) == len(expected)
    for sample in samples:
        document = sample["doc"]
        scores = [float(score) for score, _ in sample["filtered_resps"]]
        margin = scores[document["gold"]] - scores[1 - document["gold"]]
        value = expected[document["item"], document["side"]]
        assert margin == pytest.approx(value, abs=1e-3), document
        assert sample["acc"] == float(margin > 0), document
        assert sample["acc"] == float(value > 0) or abs(value) <= 1e-3, document


def test_the_harness_loads_every_shipped_task(root, harness, tmp_path):
    export(tmp_path / "all", "--items", "8", "*")
    loaded = json.loads(harness("-c", LOAD_ALL, str(tmp_path / "all")).splitlines()[-1])
    tasks = list_tasks(root / "data")
    domains = {harness_name(domain) for domain in DOMAINS if domain in map(domain_of, tasks)}
    assert set(loaded["groups"]) == {"brodmann", *domains}
    assert set(loaded["tasks"]) == {harness_name(task) for task in tasks}
    for name, read in loaded["tasks"].items():
        lines = (tmp_path / "all" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        written = [json.loads(line) for line in lines]
        assert read == [[d["prompt"], d["choices"], d["gold"]] for d in written], name


def test_joined_texts_split_into_our_tokens(root, study, weights):
    """The harness tokenizes prompt + answer as one text; in completion wording nothing merges."""
    tokenizer = AutoTokenizer.from_pretrained(weights)

    def tokens(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    for task in list_tasks(root / "data"):
        for document in documents(items_of(root, study, task, 20), "completion"):
            prompt = document["prompt"]
            assert prompt == prompt.rstrip(), task  # the harness moves spaces to the answer
            for answer in document["choices"]:
                assert tokens(prompt + answer) == tokens(prompt) + tokens(answer), document


def test_completion_scores_are_ours(root, study, harness, weights, model, tmp_path):
    export(tmp_path / "tasks", "--items", "100", *TASKS)
    logged = samples_of(harness, weights, tmp_path / "tasks", tmp_path / "out", TASKS)
    for task, samples in logged.items():
        items = items_of(root, study, task, 100)
        expected = ours(model, items, COMPLETION)
        compare(samples, expected)
        shares = pair_shares(samples)
        both = [all(expected[n, side] > 0 for side in SIDES) for n in range(len(items))]
        assert shares.n_items == len(items)
        assert shares.both_correct_accuracy == sum(both) / len(both)
        encoded = Encoder(model.tokenizer, "smollm2").encode(items, COMPLETION)
        scores = score_items(task, encoded, Scorer(model))
        baseline = baseline_of(vars(scores), study.model("smollm2").inclusion)
        aligned = [s for s in samples if s["doc"]["item"] not in baseline.misaligned_ids]
        found = pair_shares(aligned)
        for name in ("both_correct_accuracy", "clean_accuracy", "corrupted_accuracy"):
            assert getattr(found, name) == getattr(baseline, name), (task, name)


def test_chat_scores_are_ours_without_a_system_turn(root, study, harness, weights, model, tmp_path):
    task = "social/desires_goals"
    export(tmp_path / "tasks", "--items", "20", "--format", "chat", task)
    logged = samples_of(
        harness, weights, tmp_path / "tasks", tmp_path / "out", [task], "--apply_chat_template"
    )
    compare(logged[task], ours(model, items_of(root, study, task, 20), CHAT))


# In the harness' own environment, which has no nnsight: an edit needs hooks only.
EDITED = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
from brodmann.models.architecture import architecture_for
from brodmann.models.unit_widths import unit_widths
from brodmann.models.load import LoadedModel
from brodmann.networks.harness import evaluate_edited
weights, exported, task, units = sys.argv[1:]
hf = AutoModelForCausalLM.from_pretrained(weights, dtype="float32").eval()
architecture = architecture_for(hf)
widths = unit_widths(hf, architecture, name="smollm2")
tokenizer = AutoTokenizer.from_pretrained(weights)
model = LoadedModel("smollm2", None, hf, tokenizer, architecture, widths)
found = {}
for how, amount in (("inhibit", None), ("multiply", 3.0)):
    results = evaluate_edited(
        model, json.loads(units), how, amount, tasks=[task], include_path=exported
    )
    found[how] = [
        {"doc": s["doc"], "acc": s["acc"], "filtered_resps": s["filtered_resps"]}
        for s in results["samples"][task]
    ]
print(json.dumps(found))
"""


def test_an_edited_model_is_evaluated_as_we_score_it(
    root, study, harness, weights, model, tmp_path
):
    from brodmann.runner.edits import edited

    task, units = "social/desires_goals", [(layer, 3 * layer) for layer in range(30)]
    export(tmp_path / "tasks", "--items", "20", task)
    arguments = (str(weights), str(tmp_path / "tasks"), harness_name(task), json.dumps(units))
    logged = json.loads(harness("-c", EDITED, *arguments).splitlines()[-1])
    items = items_of(root, study, task, 20)
    intact = ours(model, items, COMPLETION)
    for how, amount in (("inhibit", None), ("multiply", 3.0)):
        with edited(model, units, how, amount):
            expected = ours(model, items, COMPLETION)
        compare(logged[how], expected)
        assert max(abs(expected[key] - intact[key]) for key in intact) > 1e-2
