"""Export for lm-evaluation-harness: what is written, what is refused, what stays when it fails."""

import json
import re
import tomllib

import pytest
import yaml

from brodmann import cli
from brodmann.commands import common
from brodmann.errors import UserError
from brodmann.tasks import catalogue, lm_eval
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import Item, TaskItems
from brodmann.tasks.lm_eval import documents, export, harness_name, pair_shares, read_samples

TASK = {
    "description": "d",
    "measures": "m",
    "contrast": {"thing": ["{floater}", "{sinker}"]},
    "answers": ["float", "sink"],
    "lexicon": {"floater": ["cork", "leaf", "feather"], "sinker": ["stone", "nail", "anchor"]},
    "frames": [{"completion": "A {thing} {{é}} will", "chat": "Does a {thing} float or sink?"}],
}


def items_of(tmp_path, task, count=None, seed=0, **changes):
    path = tmp_path / "definition.yaml"
    path.write_text(yaml.safe_dump({**TASK, **changes}))
    return expand(task, load_definition(path), seed=seed, count=count)


def two_tasks(tmp_path, **options):
    return [items_of(tmp_path, task, **options) for task in ("language/one", "physical/two.b-c")]


def single(task="language/single"):
    return TaskItems(task, {"completion": [Item("a", "b", " c")]}, single_answer=True, groups=["0"])


def contents(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def documents_in(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def samples(*verdicts):
    """(item, side, right) as the harness logs them."""
    return [{"doc": {"item": n, "side": side}, "acc": float(ok)} for n, side, ok in verdicts]


def test_files_and_groups(tmp_path):
    folder = export(tmp_path / "out", two_tasks(tmp_path), "completion")
    names = ["brodmann", "brodmann_language", "brodmann_physical"]
    tasks = ["brodmann_language_one", "brodmann_physical_two.b-c"]
    expected = {f"{name}.yaml" for name in (*names, *tasks)} | {f"{t}.jsonl" for t in tasks}
    assert set(contents(folder)) == expected
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    groups = {name: yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in names}
    assert groups["brodmann"]["task"] == names[1:]
    assert groups["brodmann_language"]["task"] == tasks[:1]
    assert all(group["group"] == name for name, group in groups.items())
    for name in tasks:
        settings = yaml.safe_load((folder / f"{name}.yaml").read_text())
        assert settings["task"] == name
        [data] = settings["dataset_kwargs"]["data_files"].values()
        assert data == str(folder / f"{name}.jsonl")
        # What the settings name is a field of every document, and no template.
        fields = {settings[key] for key in ("doc_to_text", "doc_to_choice", "doc_to_target")}
        assert all(fields <= document.keys() for document in documents_in(folder / f"{name}.jsonl"))
        assert settings["output_type"] == "multiple_choice"
        assert settings["target_delimiter"] == "" and settings["num_fewshot"] == 0
        assert settings["metadata"]["n_items"] == 9


def test_documents_are_the_items_to_the_character(tmp_path):
    items = items_of(tmp_path, "language/one")
    for wording in ("completion", "chat"):
        pairs = list(documents(items, wording))
        assert len(pairs) == 2 * len(items)
        for number, item in enumerate(items.wordings[wording]):
            clean, corrupted = pairs[2 * number : 2 * number + 2]
            assert (clean["item"], clean["side"]) == (number, "clean")
            assert (corrupted["item"], corrupted["side"]) == (number, "corrupted")
            assert (clean["prompt"], corrupted["prompt"]) == (
                item.clean_prompt,
                item.corrupted_prompt,
            )
            assert clean["choices"][clean["gold"]] == item.correct
            assert corrupted["choices"][corrupted["gold"]] == item.incorrect
            assert clean["choices"] == corrupted["choices"]
            assert clean["group"] == corrupted["group"] == items.groups[number]
            assert clean["choices"][0].startswith(" ") == (wording == "completion")


def test_gold_is_balanced(tmp_path):
    """Over all documents exactly; on either side alone as well as the items are."""
    pairs = list(documents(items_of(tmp_path, "language/one", count=8), "completion"))
    for side in ("clean", "corrupted"):
        golds = [document["gold"] for document in pairs if document["side"] == side]
        assert sum(golds) == 4
    for number in range(8):
        assert {d["gold"] for d in pairs if d["item"] == number} == {0, 1}


def test_same_input_same_bytes(tmp_path):
    first = contents(export(tmp_path / "out", two_tasks(tmp_path), "completion"))
    again = contents(export(tmp_path / "out", two_tasks(tmp_path), "completion"))
    assert first == again
    other = contents(export(tmp_path / "out", two_tasks(tmp_path, seed=1), "completion"))
    versions = [
        yaml.safe_load(files["brodmann_language_one.yaml"])["metadata"]["version"]
        for files in (first, other)
    ]
    assert versions[0] != versions[1]


def test_formats(tmp_path):
    tasks = [
        items_of(tmp_path, "language/forced", force_base_evaluation=True),
        items_of(tmp_path, "physical/free"),
        # A published task has only the chat wording, which then serves as raw text.
        TaskItems("social/published", {"chat": [Item("a", "b", "c", "d")]}, groups=["0"]),
    ]
    wordings = {}
    for model_format in ("completion", "chat"):
        folder = export(tmp_path / model_format, tasks, model_format)
        for items in tasks:
            settings = yaml.safe_load((folder / f"{harness_name(items.task)}.yaml").read_text())
            wordings[items.task, model_format] = settings["metadata"]["wording"]
    assert wordings["language/forced", "chat"] == "completion"
    assert wordings["physical/free", "completion"] == "completion"
    assert wordings["physical/free", "chat"] == "chat"
    assert wordings["social/published", "completion"] == "chat"


def test_an_earlier_export_is_replaced_as_a_whole(tmp_path):
    tasks = two_tasks(tmp_path)
    out = tmp_path / "new" / "out"
    export(out, tasks, "completion")
    export(out, tasks[:1], "completion")
    assert "brodmann_language_one.yaml" in contents(out)
    assert not [name for name in contents(out) if "physical" in name]


def test_nothing_else_is_replaced(tmp_path):
    tasks = two_tasks(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    export(out, tasks, "completion")  # empty: fine
    (out / "notes.txt").write_text("mine")
    before = contents(out)
    with pytest.raises(UserError, match="holds other things"):
        export(out, tasks, "completion")
    assert contents(out) == before
    with pytest.raises(UserError, match="is not a folder"):
        export(out / "notes.txt", tasks, "completion")


def test_a_failed_export_leaves_the_earlier_one(tmp_path, monkeypatch):
    tasks = two_tasks(tmp_path)
    out = export(tmp_path / "out", tasks, "completion")
    before = contents(out)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lm_eval, "_write_groups", full)
    for folder in (out, tmp_path / "never"):
        with pytest.raises(UserError, match="No space left"):
            export(folder, tasks[:1], "completion")
    assert contents(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["definition.yaml", "out"]


@pytest.mark.parametrize("name", ["a[1]", "a*", "a?", "a::b"])
def test_paths_that_the_harness_takes_for_patterns(tmp_path, name):
    with pytest.raises(UserError, match="another folder"):
        export(tmp_path / name / "out", two_tasks(tmp_path), "completion")
    assert not (tmp_path / name).exists()


def test_single_answer_tasks_are_refused(tmp_path):
    with pytest.raises(UserError, match="language/single: single-answer"):
        export(tmp_path / "out", [*two_tasks(tmp_path), single()], "completion")
    assert not (tmp_path / "out").exists()


def test_single_answer_tasks_under_a_glob_are_named_and_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        common,
        "read_task",
        lambda study, task, *_: (
            single(task) if task == "language/npi" else items_of(tmp_path, task)
        ),
    )
    # Among them those that the config's lesions are tested on.
    tasks = ["language/npi", "language/subject_verb_agreement", "formal/number_sequence"]
    monkeypatch.setattr(catalogue, "select", lambda *_: tasks)
    out = str(tmp_path / "out")
    assert cli.main(["export-lm-eval", "--out", out, "*"]) == 0
    assert "left out: language/npi" in capsys.readouterr().out
    assert not [name for name in contents(tmp_path / "out") if "npi" in name]
    assert cli.main(["export-lm-eval", "--out", out, "language/npi", "formal/*"]) == 1
    assert "single-answer" in capsys.readouterr().err


def test_command(tmp_path, capsys):
    out = tmp_path / "out"
    task = "language/subject_verb_agreement"
    arguments = ["export-lm-eval", "--out", str(out), "--items", "6", "--seed", "3", task]
    assert cli.main(arguments) == 0
    assert "1 tasks, 12 documents" in capsys.readouterr().out
    settings = yaml.safe_load((out / f"{harness_name(task)}.yaml").read_text())
    assert settings["metadata"]["seed"] == 3 and settings["metadata"]["task"] == task
    assert cli.main(["export-lm-eval", "--out", str(out), "language/no_such_task"]) == 1
    assert "matches no task" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["export-lm-eval", "--out", str(out), "--items", "0", task])
    assert "from 1 up" in capsys.readouterr().err


def test_both_correct_from_samples(tmp_path, capsys):
    logged = samples(
        *((0, "clean", True), (0, "corrupted", True), (1, "clean", True), (1, "corrupted", False)),
        *((3, "corrupted", False), (3, "clean", True), (2, "corrupted", True), (2, "clean", False)),
        (4, "clean", True),  # cut off by --limit: its pair is not there
    )
    shares = pair_shares(logged)
    assert (shares.n_items, shares.both_correct_accuracy) == (4, 0.25)
    assert (shares.clean_accuracy, shares.corrupted_accuracy) == (0.75, 0.5)
    assert pair_shares([]).both_correct_accuracy is None
    path = tmp_path / "samples_brodmann_language_one_now.jsonl"
    path.write_text("".join(json.dumps(sample) + "\n" for sample in logged))
    assert read_samples(path) == logged
    assert lm_eval.main([str(path)]) == 0
    assert "brodmann_language_one_now\t4\t0.2500\t0.7500\t0.5000" in capsys.readouterr().out
    for text in ('{"doc": 3}', "[1]", "no"):
        path.write_text(text)
        assert lm_eval.main([str(path)]) == 1
        assert "not the logged samples" in capsys.readouterr().err
    assert lm_eval.main([str(tmp_path / "none.jsonl")]) == 1
    assert lm_eval.main([]) == 2


def test_the_harness_is_locked_with_our_versions(root):
    """Equal numbers need equal versions of what computes and tokenizes."""
    pin = re.compile(r"^([a-z0-9-]+)==([^ \\;]+)", re.M)
    ours, theirs = (
        dict(pin.findall((root / "locks" / f"{name}.txt").read_text()))
        for name in ("runtime", "lm-eval")
    )
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert {requirement.split("[")[0] for requirement in extras["lm-eval"]} <= theirs.keys()
    for name in ("transformers", "tokenizers", "safetensors", "numpy"):
        assert ours[name] == theirs[name], name
