"""`brodmann prereg`: written once, found if it was changed, and compared with what a run did."""

import hashlib
import json
import os

import pytest

from brodmann.cli import main
from brodmann.commands.prereg import plan_of_workspace
from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.files import write_json
from brodmann.models.cache import Cache
from brodmann.models.sources import fetch
from brodmann.pipeline.workspace import Workspace
from brodmann.provenance import software
from brodmann.report.preregistration import Registration, registered
from brodmann.report.prose import Prose
from brodmann.report.sources import Sources
from brodmann.store import ledger

CONFIG = {
    "models": {"one": {"source": "hf:org/one"}},
    "tasks": {"include": ["language/npi", "physical/speed"], "items": 5, "min_items": 1},
    "localizer": {"lesion": {"tasks": ["language/npi"]}},
}


def changed(**tasks):
    return {**CONFIG, "tasks": {**CONFIG["tasks"], **tasks}}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "config.yaml").write_text(json.dumps(CONFIG))
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def prereg(place, *more, config=None):
    file = place.parent / "config.yaml"
    if config is not None:
        file = place.parent / "other.yaml"
        file.write_text(json.dumps(config))
    return main(["prereg", "--configfile", str(file), "--directory", str(place), *more])


def written(place):
    return json.loads((place / "results/preregistration.json").read_text())


def test_it_holds_the_plan_and_its_hash(place, capsys):
    assert prereg(place) == 0
    said, found = capsys.readouterr().out, written(place)
    body = {key: value for key, value in found.items() if key != "sha256"}
    plain = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert found["sha256"] == hashlib.sha256(plain.encode()).hexdigest()
    assert f"SHA-256 {found['sha256']}" in said and "No results existed" in said
    assert found["config"]["tasks"]["min_both_correct"] == 0.6  # of the defaults, too
    test = found["tests"]["results/statistics/modularity.csv: p"]
    assert test["sides"] == "one-sided" and "Benjamini-Hochberg" in test["correction"]
    assert found["verdicts"]["alpha"] == 0.05 and found["methods"]["attribution"]
    assert set(found["items"]) == set(CONFIG["tasks"]["include"])
    assert found["summary"][1] == "No results existed when this was written."
    assert any("modularity.csv: p" in line and "one-sided" in line for line in found["summary"])

    before = (place / "results/preregistration.json").read_bytes()
    assert prereg(place) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "is there already" in said
    assert (place / "results/preregistration.json").read_bytes() == before


def test_a_changed_setting_test_or_item_is_named(place, capsys):
    assert prereg(place) == 0 and prereg(place, "--check") == 0
    assert "the config matches;" in capsys.readouterr().out
    assert prereg(place, "--check", config=changed(min_both_correct=0.8)) == 1
    said = capsys.readouterr().out
    assert "the config differs in 1;" in said
    assert "setting: tasks.min_both_correct 0.6 -> 0.8\n" in said
    assert prereg(place, "--check", config={**CONFIG, "localizer": {"networks": []}}) == 1
    said = capsys.readouterr().out
    assert "test: results/one/localizer/language/lesion.csv: p: registered, and not made" in said
    assert prereg(place, "--check", config=changed(seed=7)) == 1
    said = capsys.readouterr().out
    assert "input: items of language/npi\n" in said and "tasks.seed" in said
    # How it runs is no part of a plan.
    assert prereg(place, "--check", config={**CONFIG, "execution": {"device": "cpu"}}) == 0


def test_texts_that_are_not_what_was_registered_are_named(place, reported, tmp_path):
    """Of localizers and networks: a path in the config is the same, whatever the file says."""
    own = tmp_path / "prose"
    own.mkdir()
    (own / "a.txt").write_text("It was a dark night.\n" * 20)
    config = {**CONFIG, "networks": {"datasets": {"mine": str(own)}}}
    assert prereg(place, config=config) == 0
    texts = written(place)["texts"]
    path = os.path.relpath(own / "a.txt", place)
    assert texts[path] == hashlib.sha256((own / "a.txt").read_bytes()).hexdigest()
    assert any("stimuli/language/" in one for one in texts) and not any(
        "items" in one for one in texts
    )
    assert prereg(place, "--check", config=config) == 0
    [said], _ = registered(reported(config, texts=texts))
    assert "matches the registration" in said
    # A run of an earlier version does not say which texts it read.
    assert "matches the registration" in registered(reported(config))[0][0]
    (own / "a.txt").write_text("It was a bright day.\n" * 20)
    (own / "b.txt").write_text("It rained.\n" * 20)
    assert prereg(place, "--check", config=config) == 1
    now = {**texts, path: "other", os.path.relpath(own / "b.txt", place): "new"}
    [said], group = registered(reported(config, texts=now))
    assert f"differs from the registration in 2 points: input: texts of {path}" in said
    assert len(group.tables[0].rows) == 2


def test_weights_that_are_not_those_registered_are_named(root, place, reported, tmp_path, capsys):
    """Those that are there; of others only the source is known, as of a branch of a hub."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"a")
    mine = {"source": f"path:{folder}"}
    models = {**CONFIG["models"], "two": mine, "chance": {**mine, "untrained": True}}
    config = {**CONFIG, "models": models}
    assert prereg(place, config=config) == 0
    said = capsys.readouterr().out
    assert "Registered by their source alone, as their weights are not here yet: one (" in said
    study = Workspace(load_config([place.parent / "other.yaml"], root=root), root).study
    fetched = fetch(study.model("two"), Cache(str(tmp_path / "cache")))
    hashes = {"weights": fetched.weights_hash, "tokenizer": fetched.tokenizer_hash}
    assert written(place)["weights"] == {"two": hashes}
    assert "Weights of which the hashes are here: two." in written(place)["summary"]

    def run(**own):
        other = {"weights_hash": "a", "tokenizer_hash": "b"}
        made = {f"{part}_hash": value for part, value in {**hashes, **own}.items()}
        record = {"one": other, "two": made, "chance": other, "taken over": {"source": None}}
        return registered(reported(config, models=record))[0][0]

    assert "matches the registration" in run()
    assert "differs from the registration in 1 point: input: tokenizer of two." in run(
        tokenizer="c"
    )
    (folder / "model.safetensors").write_bytes(b"b")
    assert prereg(place, "--check", config=config) == 1
    assert capsys.readouterr().out.endswith("\ninput: weights of two\n")
    # Weights that went away since are not known to be others.
    (folder / "model.safetensors").unlink()
    assert prereg(place, "--check", config=config) == 0


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ('"min_both_correct": 0.6', '"min_both_correct": 0.5', "does not match its SHA-256"),
        ("No results existed", "no results existed", "does not match its SHA-256"),
        ('"sha256"', '"sha255"', "is not what 'brodmann prereg' writes"),
        ('"sha256"', "sha256", "is not what 'brodmann prereg' writes"),
    ],
)
def test_a_file_that_was_changed_is_refused(place, capsys, was, becomes, message):
    assert prereg(place) == 0
    file = place / "results/preregistration.json"
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, becomes))
    capsys.readouterr()
    assert prereg(place, "--check") == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and message in said.err


def test_layout_is_no_change(place):
    assert prereg(place) == 0
    file = place / "results/preregistration.json"
    file.write_text(json.dumps(json.loads(file.read_text()), sort_keys=True))
    assert prereg(place, "--check") == 0


def test_results_that_existed_are_said(place, capsys):
    store = place / "results/one/.store"
    ledger.enter(store, stage="check", model_loads=1)
    assert prereg(place) == 0 and "No results existed" in capsys.readouterr().out
    (place / "results/preregistration.json").unlink()
    ledger.enter(store, stage="baseline", model_loads=1)
    assert prereg(place) == 0
    first = ledger.read(store)[1]["time"]
    assert f"RESULTS EXISTED when this was written (since {first})." in capsys.readouterr().out
    assert written(place)["results"] == {"existed": True, "first_record": first}


@pytest.fixture
def reported(root, place):
    """The registered study as its report finds it, with a config that may have changed since."""

    def sources(config=CONFIG, **record):
        file = place.parent / "run.yaml"
        file.write_text(json.dumps(config))
        workspace = Workspace(load_config([file], root=root), root)
        plan = plan_of_workspace(workspace)
        made = {
            **software(),
            "methods": plan["methods"],
            "config": plan["config"],
            "imported": {},
            "tasks": {task: {"items_sha256": own} for task, own in plan["items"].items()},
        }
        write_json(place / "results/provenance.json", {**made, **record})
        say = Prose(root / "workflow" / "report")
        results = place / "results"
        return Sources(workspace.study, workspace.inventory, results, frozenset(), say)

    return sources


def test_the_report_says_whether_the_run_matches(place, reported):
    assert registered(reported()) == ([], None)  # nothing was registered
    assert prereg(place) == 0
    found = written(place)
    [said], group = registered(reported())
    assert f"preregistered on {found['written']} (SHA-256 {found['sha256'][:12]})" in said
    assert (
        f"matches the registration: its settings, its items and its {len(found['tests'])}" in said
    )
    assert "Software" not in said and len(group.tables) == 1
    assert len(group.tables[0].rows) == len(found["tests"])

    [said], group = registered(reported(changed(min_both_correct=0.8), python="2.7"))
    assert "differs from the registration in 1 point:" in said
    assert "setting: tasks.min_both_correct 0.6 -> 0.8." in said and 'python "' in said
    assert group.tables[0].rows == [("setting", "tasks.min_both_correct 0.6 -> 0.8")]

    file = place / "results/preregistration.json"
    file.write_text(file.read_text().replace('"alpha": 0.05', '"alpha": 0.5'))
    with pytest.raises(UserError, match="does not match its SHA-256"):
        registered(reported())


def test_the_report_says_when_it_was_registered(place, reported):
    assert prereg(place) == 0
    time = written(place)["written"]

    def said():
        return registered(reported())[0][0]

    assert "no record says when the study was first run" in said()
    book = place / "results/one/.store/ledger.jsonl"
    book.parent.mkdir(parents=True)
    for first, order in (("9999-01-01T00:00:00Z", "before"), ("1999-01-01T00:00:00Z", "after")):
        lines = [{"time": f"{year}-01-01T00:00:00Z", "stage": "check"} for year in (1990,)]
        lines += [
            {"time": time.replace("20", "99", 1), "stage": "x"},
            {"time": first, "stage": "y"},
        ]
        book.write_text("".join(json.dumps(line) + "\n" for line in lines))
        assert f"{order} the first record of the study ({min(first, lines[1]['time'])})" in said()
    # Without a ledger the files of the store say it.
    book.unlink()
    shard = book.parent / "baseline" / "one.shard"
    shard.parent.mkdir()
    shard.touch()
    os.utime(shard, (0, 0))
    assert "after the first record of the study (1970-01-01T00:00:00Z)" in said()


def test_a_registration_after_results_says_so_in_the_report(place, reported):
    ledger.enter(place / "results/one/.store", stage="baseline")
    assert prereg(place) == 0
    assert "when results existed already (first record: " in registered(reported())[0][0]


def test_only_the_report_reads_it(root, place, monkeypatch):
    """Of all rules: the DAG of a study with a registration is that of the study, with one more input."""
    monkeypatch.chdir(place)
    config = load_config([place.parent / "config.yaml"], root=root)
    before = Workspace(config, root).told_files
    Registration.new(
        {
            "config": {"models": {}},
            **{name: {} for name in ("items", "imported", "tests")},
            "verdicts": {"alpha": 0.05, "version": 1},
            "methods": {},
        },
        place / "results",
    ).write("results/preregistration.json")
    assert Workspace(config, root).told_files == [*before, "results/preregistration.json"]
