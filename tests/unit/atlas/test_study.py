"""What a folder of results says of its study: by provenance.json, also of earlier versions."""

from __future__ import annotations

import copy
from itertools import product

import pytest
import toy_results as toy

from brodmann.atlas.study import StudyFolder
from brodmann.errors import UserError
from brodmann.files import read_json, write_json
from brodmann.tasks import domains


def folder(tmp_path, models, **more):
    toy.provenance(tmp_path, models=models, **more)
    return StudyFolder(tmp_path)


def test_controls_series_and_imported_models(tmp_path):
    pythia = {"source": "hf:EleutherAI/pythia-70m", "revision": None}
    series = {"revisions": ["step1", "step1000"], "steps": [1, 1000]}
    models = {
        "chat": {**pythia, "format": "chat"},
        "plain": {**pythia, "format": "completion"},
        "twin": {**pythia, "format": "completion", "untrained": True, "control": True},
        "other": {"source": "hf:gpt2", "untrained": True, "control": True},
        "grown": {**pythia, "series": series},
        "published": {"source": "results:there"},
    }
    found = {one.name: one for one in folder(tmp_path, models).models}
    assert list(found) == ["chat", "plain", "twin", "other", "grown@1", "grown@1000", "published"]
    assert [name for name, one in found.items() if one.control] == ["twin", "other"]
    # Of two trained models of one source the one that is prompted alike.
    assert {name: one.of for name, one in found.items() if one.of} == {"twin": "plain"}
    assert found["grown@1000"].series == ("grown", "training step", 1000.0)
    assert [name for name, one in found.items() if one.imported] == ["published"]


def test_an_earlier_config_has_defaults(tmp_path):
    write_json(
        tmp_path / "provenance.json", {"brodmann": "0.0.1", "config": {"models": {"one": {}}}}
    )
    found = StudyFolder(tmp_path)
    assert found.components == ["neurons"] and found.estimator == "patching"
    assert found.selections == [found.main_selection] == ["positive-0.1pct"]
    assert found.tasks == [] and found.written == ""


def test_tasks_are_those_of_items_and_of_matrices(tmp_path):
    found = toy.study(tmp_path)
    study = StudyFolder(found, {"formal/sums": "Adding", "formal/gone": "Not here"})
    assert study.tasks == ["language/agreement", "language/npi", "formal/sums"]
    assert study.titles["formal/sums"] == "Adding" and "formal/gone" not in study.titles
    assert study.titles["language/agreement"] == "agreement"


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (None, "the study is not finished: there is no provenance.json (run snakemake to its end"),
        ("{}", "does not say what the study was"),
        ('{"config": {"models": []}, "brodmann": "0.1.0"}', "does not say what the study was"),
        ("[1", "not valid JSON"),
    ],
)
def test_an_unfinished_study_is_one_clear_line(tmp_path, write, says):
    if write is not None:
        (tmp_path / "provenance.json").write_text(write)
    with pytest.raises(UserError) as caught:
        StudyFolder(tmp_path)
    (problem,) = caught.value.problems
    assert says in str(problem) and str(tmp_path) in str(problem) and "\n" not in str(problem)


def test_nor_is_there_an_atlas_of_nothing(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        StudyFolder(tmp_path / "nowhere")


def test_domains_of_the_study_s_own_tasks_have_their_colours(tmp_path, monkeypatch):
    monkeypatch.delenv(domains.OWN, raising=False)
    own = tmp_path / "mine/music"
    own.mkdir(parents=True)
    (own / "domain.yaml").write_text('name: Music\ncolour: "#123456"\ntext: Sounds.\n')
    (own / "pitch.yaml").write_text("title: Pitch of tones\n")
    results, config = tmp_path / "results", toy.config(tasks={"folder": str(tmp_path / "mine")})
    said = {"brodmann": "0.1.0", "config": config, "tasks": {"music/pitch": {}}}
    write_json(results / "provenance.json", said)
    try:
        study = StudyFolder(results)
        assert study.titles == {"music/pitch": "Pitch of tones"}
        assert (domains.label("music"), domains.colour("music")) == ("Music", "#123456")
    finally:
        domains.use(None)


# What a hand may write in the place of anything.
ODD = (None, [], {}, "x", 5, -1.5, [[]], {"a": None}, True)
PLACES = [
    *((name,) for name in ("config", "brodmann", "written", "tasks")),
    *(("config", name) for name in ("models", "tasks", "attribution", "selection", "localizer")),
    *(("config", "models", toy.MODEL), ("config", "models", toy.MODEL, "series")),
    *(("config", "selection", name) for name in ("signs", "percents", "main")),
    *(("config", "attribution", name) for name in ("components", "estimator", "agreement")),
    *(("config", "localizer", "networks"), ("config", "networks", "datasets")),
    ("config", "tasks", "folder"),
]


def test_what_was_edited_by_hand_is_read_or_told_in_one_line(tmp_path):
    toy.provenance(tmp_path)
    path = tmp_path / "provenance.json"
    sound = read_json(path)
    for place, odd in product(PLACES, ODD):
        edited = part = copy.deepcopy(sound)
        for name in place[:-1]:
            part = part.setdefault(name, {})
        part[place[-1]] = odd
        write_json(path, edited)
        try:
            study = StudyFolder(tmp_path)
            _ = study.titles, study.config_hash, study.asked(["a"], "localizer", "networks")
        except UserError as error:
            [problem] = error.problems
            assert "\n" not in str(problem) and "provenance.json" in str(problem), (place, odd)
