"""Whole atlases, of folders of results that are written by hand."""

from __future__ import annotations

import base64
import json
import shutil
import threading
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import toy_results as toy
from safetensors.numpy import save

from brodmann.atlas.write import write_atlas
from brodmann.cli import main
from brodmann.commands.atlas import server
from brodmann.files import read_json, write_json
from brodmann.store.store import Store
from brodmann.store.tables import write_matrix, write_table
from brodmann.tasks.catalogue import sort_key

_TYPES = {"f32": "<f4", "i32": "<i4", "u16": "<u2", "u8": "u1"}


def decoded(value):
    """Arrays of a data file as numpy's."""
    if isinstance(value, dict) and set(value) == {"dtype", "shape", "data"}:
        content = base64.b64decode(value["data"])
        return np.frombuffer(content, _TYPES[value["dtype"]]).reshape(value["shape"])
    if isinstance(value, dict):
        return {name: decoded(item) for name, item in value.items()}
    return [decoded(item) for item in value] if isinstance(value, list) else value


def read(folder: Path, name: str):
    text = (folder / "data" / f"{name}.js").read_text(encoding="ascii")
    called, value = json.loads("[" + text.removeprefix("atlas(").removesuffix(");\n") + "]")
    assert called == name
    return decoded(value)


def made(results: Path, **more) -> Path:
    write_atlas(results / "atlas/index.html", results=results, **more)
    return results / "atlas"


@pytest.fixture
def results(tmp_path):
    return toy.study(tmp_path / "results")


def model_of(manifest, name):
    return next(one for one in manifest["models"] if one["name"] == name)


def test_every_file_that_the_manifest_names_is_there_and_no_other(results):
    atlas = made(results)
    manifest = read(atlas, "manifest")
    named = [name for one in manifest["models"] for name in one["files"].values()]
    named += [*manifest["files"].values(), "manifest"]
    assert sorted(named) == sorted(file.stem for file in (atlas / "data").iterdir())
    assert len(set(named)) == len(named)
    assert '<script src="data/manifest.js"></script>' in (atlas / "index.html").read_text()


def test_the_manifest_says_what_the_study_is(results):
    manifest = read(made(results), "manifest")
    assert [one["name"] for one in manifest["domains"]] == ["language", "formal"]
    assert [one["name"] for one in manifest["tasks"]] == [
        "language/agreement",
        "language/npi",
        "formal/sums",
    ]
    own, control = manifest["models"]
    assert (own["control"], control["control"], control["of"]) == (False, True, toy.MODEL)
    assert "of" not in own and own["layers"] == toy.LAYERS and not own["binned"]
    assert own["components"][0]["width"] == toy.WIDTH and own["weights"] == "sha256:0123456789ab"
    assert own["tasks"]["language/npi"] == {
        "included": True,
        "reason": "both-correct share 0.9 reaches 0.6",
        "accuracy": 0.9,
        "n_items": 2,
    }
    assert manifest["comparisons"] == [{"one": toy.MODEL, "other": toy.CONTROL, "kind": "control"}]
    # An atlas is shown to others, whom the folders of its maker do not concern.
    assert manifest["made"]["command"] == "brodmann atlas results"
    (networks,) = own["networks"]
    first, second = networks["networks"]
    assert first["label"] == "high on \u201cthe\u201d (4 of 4)" and first["n_units"] == 2
    assert (first["harm"], first["control"]) == (3.0, pytest.approx(1.2))
    assert "harm" not in second and second["n_units"] == 1


def test_scores_masks_and_maps_are_those_of_the_files(results):
    atlas = made(results)
    wanted = dict(zip(toy.TASKS, toy.scores(), strict=True))
    files = model_of(read(atlas, "manifest"), toy.MODEL)["files"]
    for task, scores in wanted.items():
        assert (read(atlas, files[f"neurons.scores.{task}"])["scores"] == scores).all()
    layer = read(atlas, files["neurons.layer.1"])
    assert layer["tasks"] == ["language/agreement", "language/npi", "formal/sums"]
    assert (layer["scores"][1] == wanted["language/npi"][1]).all()
    masks = read(atlas, files["neurons.masks"])
    assert list(masks) == [toy.MAIN.name] and len(masks[toy.MAIN.name]) == 3
    npi = masks[toy.MAIN.name]["language/npi"]
    best = np.argsort(-wanted["language/npi"].reshape(-1))[:3]
    assert npi["units"].tolist() == best.tolist() and npi["units"].dtype == "<i4"
    assert (npi["scores"] == wanted["language/npi"].reshape(-1)[best]).all()
    more = read(atlas, files[f"neurons.masks.{toy.LARGE.name}"])
    assert len(more[toy.LARGE.name]["formal/sums"]["units"]) == 6
    localizer = read(atlas, files["localizer.language"])
    assert localizer["selections"]["top-20.0pct"].tolist() == [11, 10]
    assert localizer["random"]["random-20.0pct-seed1"].tolist() == [1]
    assert localizer["t"][2, 3] == 8
    networks = read(atlas, files["networks.sea"])
    assert [one.tolist() for one in networks["members"]] == [[1, 11], [4]]
    assert networks["maps"][0, 2, 3] == -9


def test_an_excluded_task_has_no_scores_and_says_why(results):
    manifest = read(atlas := made(results), "manifest")
    control = model_of(manifest, toy.CONTROL)
    assert not control["tasks"][toy.TASKS[1]]["included"]
    assert f"neurons.scores.{toy.TASKS[1]}" not in control["files"]
    assert f"neurons.scores.{toy.TASKS[0]}" in control["files"]
    matrices = read(atlas, control["files"]["matrices"])
    share = matrices["overlap"]["containment"]["neurons"][toy.MAIN.name]
    lost = matrices["tasks"].index(toy.TASKS[1])
    assert np.isnan(share[lost]).all() and np.nansum(share) == 2


def test_a_study_that_lacks_stages_lacks_their_files(results):
    shutil.rmtree(results / toy.MODEL / "localizer")
    shutil.rmtree(results / toy.MODEL / "networks")
    shutil.rmtree(results / toy.MODEL / "overlap")
    shutil.rmtree(results / toy.CONTROL)
    own, control = read(made(results), "manifest")["models"]
    assert own["localizers"] == own["networks"] == [] and "curves" not in own["files"]
    assert control["components"] == [] and control["layers"] == 0 and control["tasks"] == {}


def test_results_that_were_taken_over_have_matrices_only(tmp_path):
    results = tmp_path / "results"
    toy.provenance(results, models={"there": {"source": "results:folder"}})
    tasks = ["language/npi", "social/manners"]
    share = pd.DataFrame([[1, 0.25], [0.25, 1]], index=tasks, columns=tasks)
    write_matrix(results / f"there/overlap/neurons/{toy.MAIN.name}.containment.csv", share)
    drop = pd.DataFrame([[0.5, 0.0], [np.nan, 1]], index=tasks, columns=tasks)
    place = results / f"there/ablation/neurons/{toy.MAIN.name}.corrupted.accuracy_drop.csv"
    write_matrix(place, drop)
    atlas = made(results)
    (own,) = read(atlas, "manifest")["models"]
    assert own["matrices_only"] and own["layers"] == 0 and own["estimators"] == []
    matrices = read(atlas, own["files"]["matrices"])
    found = matrices["ablation"]["neurons"][toy.MAIN.name]["corrupted"]["accuracy_drop"]
    assert np.array_equal(found, np.array(drop, np.float32), equal_nan=True)
    assert matrices["tasks"] == tasks and "controls" not in matrices


HOSTILE = "</script><img src=x onerror=alert(1)>\u2028\"'"


def test_hostile_titles_and_tokens_stay_text(results):
    toy.write_maps(results, toy.MODEL, token=HOSTILE)
    atlas = made(results, titles={"formal/sums": HOSTILE})
    for file in (atlas / "data").iterdir():
        assert "<" not in file.read_text(encoding="ascii")
    manifest = read(atlas, "manifest")
    assert manifest["tasks"][2]["label"] == HOSTILE
    nets = read(atlas, model_of(manifest, toy.MODEL)["files"]["nets"])
    assert nets["driving"][0]["token"] == HOSTILE


def test_what_an_earlier_study_left_in_the_folder_is_not_of_this_one(results):
    """Tasks, sizes, localizers and networks that the config does not name any more."""
    write_json(results / "items/social/gone.json", {})
    place = results / toy.MODEL / "overlap/neurons"
    shutil.copy(
        place / f"{toy.MAIN.name}.containment.csv", place / "positive-2.0pct.containment.csv"
    )
    toy.provenance(results, localizer={"networks": []}, networks={"datasets": {"lake": "corpus:x"}})
    # Then the models are the same, and so are their circuits.
    manifest = read(atlas := made(results), "manifest")
    own = model_of(manifest, toy.MODEL)
    assert own["localizers"] == own["networks"] == []
    assert [one["name"] for one in manifest["tasks"]] == sorted(toy.TASKS, key=sort_key)
    matrices = read(atlas, own["files"]["matrices"])
    assert list(matrices["overlap"]["containment"]["neurons"]) == [toy.MAIN.name]


def test_neighbours_of_a_series_are_compared(results):
    series = {"revisions": ["a", "b", "c"], "steps": [1, 2, 30]}
    models = {"grown": {"source": "hf:x", "series": series}, "other": {"source": "hf:y"}}
    toy.provenance(results, models=models)
    found = read(made(results), "manifest")["comparisons"]
    pairs = [(one["one"], one["other"], one["kind"]) for one in found]
    assert pairs == [
        ("grown@1", "grown@2", "series"),
        ("grown@2", "grown@30", "series"),
        ("grown@30", "other", "models"),
    ]


def test_a_place_that_cannot_be_written_is_one_line(results, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    wanted = tmp_path / "file" / "atlas.html"
    assert main(["atlas", str(results), "--single-file", str(wanted)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"ERROR: {wanted}: cannot be written") and said.count("\n") == 1


def test_a_file_that_cannot_be_read_is_told_as_that(results, capsys):
    """Not as one that cannot be written."""
    file = results / toy.MODEL / "overlap/neurons" / f"{toy.MAIN.name}.containment.csv"
    file.unlink()
    file.mkdir()
    assert main(["atlas", str(results)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"ERROR: {file}: cannot be read: ") and said.count("\n") == 1
    assert not (results / "atlas").exists()


TRIED = ("relp at all", "ig at last")


def with_trials(results: Path) -> dict[str, np.ndarray]:
    """Records of one task by two estimators, as the attribution pass leaves them; a third one is lost."""
    toy.provenance(results, attribution={"agreement": {"estimators": [*TRIED, "atp_star at all"]}})
    place, planted = results / toy.MODEL / ".store", {}
    keys = {f"{toy.TASKS[0]}, neurons: atp_star at all": "f" * 64}
    with Store(place / "attribution") as store:
        for number, trial in enumerate(TRIED):
            dice = np.random.default_rng(number)
            planted[trial] = dice.normal(size=(toy.LAYERS, toy.WIDTH)).astype(np.float32)
            key = keys[f"{toy.TASKS[0]}, neurons: {trial}"] = f"{number}" * 64
            facts = {"facts": json.dumps({"n_items": 7})}
            store.put(key, save({"attribution": planted[trial]}, metadata=facts))
    write_json(place / "attribution.json", {"keys": keys})
    return planted


def test_estimators_that_were_tried_are_there_with_their_scores(results):
    planted = with_trials(results)
    atlas = made(results)
    own, control = read(atlas, "manifest")["models"]
    assert own["components"][0]["tried"] == list(TRIED)
    assert "tried" not in control["components"][0]
    for trial, scores in planted.items():
        found = read(atlas, own["files"][f"neurons.tried.{trial}.{toy.TASKS[0]}"])
        assert np.array_equal(found["scores"], scores) and found["n_items"] == 7
    assert f"neurons.tried.{TRIED[0]}.{toy.TASKS[1]}" not in own["files"]
    # Results that were copied without their store are the same, but for these.
    shutil.rmtree(results / toy.MODEL / ".store")
    assert "tried" not in read(made(results), "manifest")["models"][0]["components"][0]


def test_those_of_many_units_are_in_bins(results, monkeypatch):
    monkeypatch.setattr("brodmann.atlas.circuits.MOST_UNITS", 20)
    monkeypatch.setattr("brodmann.atlas.bins.MOST_CELLS", 4)
    planted = with_trials(results)[TRIED[0]]
    atlas = made(results)
    own = model_of(read(atlas, "manifest"), toy.MODEL)
    found = read(atlas, own["files"][f"neurons.tried.{TRIED[0]}.{toy.TASKS[0]}"])
    cells = [planted[:, place : place + 3] for place in range(0, toy.WIDTH, 3)]
    strongest = [[row[np.abs(row).argmax()] for row in cell] for cell in cells]
    assert np.array_equal(found["bins"]["max"], np.array(strongest).T)
    assert set(found) == {"bins", "domain_bins", "n_items"} and found["n_items"] == 7


def test_controls_and_reliability_stand_beside_the_matrices(results):
    """Reliability of every size of the study, also of those that nobody silenced."""
    folder = results / toy.MODEL
    tasks = sorted(toy.TASKS, key=sort_key)
    drop = pd.DataFrame(np.eye(3), index=tasks, columns=tasks)
    place = folder / "ablation/neurons"
    write_matrix(place / f"{toy.MAIN.name}.corrupted.accuracy_drop.csv", drop)
    head = ("source", "condition", "trial", "n", "k", "accuracy", "drop", "score")
    rows = [
        ("", "intact", 0, 8, 0, 0.75, 0.0, 1.0),
        (tasks[2], "layer_matched", 1, 8, 3, 0.5, 0.25, 0.5),
        (tasks[2], "layer_matched", 2, 8, 3, 0.25, 0.5, 0.25),
        ("", "random", 1, 8, 3, 0.625, 0.125, 0.875),
    ]
    lesions = [dict(zip(head, row, strict=True)) for row in rows]
    write_table(place / f"{toy.MAIN.name}/corrupted/{tasks[1]}.csv", lesions, head)
    for selection in (toy.MAIN, toy.LARGE):
        own = folder / f"overlap/neurons/{selection.name}.reliability.csv"
        write_table(
            own,
            [{"task": tasks[0], "n_items": 9, "ceiling": np.nan}],
            ("task", "n_items", "ceiling"),
        )
    atlas = made(results)
    files = model_of(read(atlas, "manifest"), toy.MODEL)["files"]
    found = read(atlas, files["matrices"])
    assert found["reliability"]["neurons"] == {
        name: {tasks[0]: {"n_items": 9, "ceiling": None}}
        for name in (toy.MAIN.name, toy.LARGE.name)
    }
    controls = found["controls"]["neurons"][toy.MAIN.name]["corrupted"]
    assert controls["layer_matched"]["trials"] == 2 and controls["n"][1] == 8
    assert controls["intact"][1] == 0.75 and np.isnan(controls["intact"][[0, 2]]).all()
    matched = controls["layer_matched"]["accuracy_drop"]
    assert matched[2, 1] == 0.375 and np.isfinite(matched).sum() == 1
    assert controls["random"]["score"].shape == (1, 3)
    assert controls["random"]["score"][0, 1] == 0.875 and "activation_matched" not in controls


def test_nothing_of_a_former_run_stays(results):
    atlas = made(results)
    (atlas / "data/old.js").write_text("atlas()")
    shutil.rmtree(results / toy.MODEL / "localizer")
    made(results)
    assert not (atlas / "data/old.js").exists()
    assert not (atlas / f"data/{toy.MODEL}.localizer.language.js").exists()


def test_a_damaged_file_leaves_the_former_atlas(results, capsys):
    atlas = made(results)
    before = (atlas / "data/manifest.js").read_bytes()
    (results / toy.MODEL / "attribution/neurons/formal/sums.safetensors").write_bytes(b"{")
    assert main(["atlas", str(results)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("ERROR: ") and "sums.safetensors: is damaged" in said
    assert said.count("\n") == 1
    assert (atlas / "data/manifest.js").read_bytes() == before
    assert [one.name for one in results.iterdir() if one.name.startswith(".")] == []


class Page(HTMLParser):
    """What a browser reads of a page: its inline data, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self.calls: list[str] = []
        self._open: str | None = None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        assert "src" not in given or not given["src"].startswith("data/")
        self._open = given.get("data-atlas", "") if tag == "script" else None

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self.data[self._open] = self.data.get(self._open, "") + data
        elif self._open == "":
            self.calls.append(data)


def test_a_single_file_holds_everything(results, tmp_path, capsys):
    toy.write_maps(results, toy.MODEL, token=HOSTILE)
    output = tmp_path / "there.html"
    assert main(["atlas", str(results), "--single-file", str(output)]) == 0
    assert str(output) in capsys.readouterr().out
    assert not (results / "atlas").exists()
    page = Page()
    page.feed(output.read_text(encoding="utf-8"))
    atlas = made(results)
    wanted = {file.stem for file in (atlas / "data").iterdir()} - {"manifest"}
    assert set(page.data) == wanted
    for name, text in page.data.items():
        assert np.array_equal(str(decoded(json.loads(text))), str(read(atlas, name)))
    (manifest,) = [one for one in page.calls if one.startswith('atlas("manifest"')]
    assert manifest == (atlas / "data/manifest.js").read_text()


def test_the_command_serves_to_this_machine_alone(results):
    atlas = made(results)
    with server(atlas, 0) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        host, port = serving.server_address
        assert host == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/manifest.js") as answer:
            assert answer.read() == (atlas / "data/manifest.js").read_bytes()
        serving.shutdown()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere: there is no such folder of results"),
        (["."], "the study is not finished"),
        (["--serve", "99999"], "must be a port"),
    ],
)
def test_bad_arguments_are_one_line(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        assert main(["atlas", *arguments]) == 1
    except SystemExit as leaving:
        assert leaving.code == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_one_line(results):
    with server(results, 0) as taken:
        from brodmann.errors import UserError

        with pytest.raises(UserError, match=r"--serve: port \d+ cannot be had"):
            server(results, taken.server_port)


def test_a_model_of_heads_and_one_of_many_units(results, monkeypatch):
    """Binned scores, with every unit's exact ones beside."""
    monkeypatch.setattr("brodmann.atlas.circuits.MOST_UNITS", 20)
    monkeypatch.setattr("brodmann.atlas.bins.MOST_CELLS", 4)
    atlas = made(results)
    own = model_of(read(atlas, "manifest"), toy.MODEL)
    assert own["binned"] and own["components"][0]["bin"] == 3
    named = {name for one in read(atlas, "manifest")["models"] for name in one["files"].values()}
    assert {file.stem for file in (atlas / "data").iterdir()} == named | {"manifest", "summary"}
    scores = read(atlas, own["files"]["neurons.scores.formal/sums"])
    assert set(scores) == {"bins", "domain_bins"} and scores["bins"]["max"].shape == (3, 4)
    exact = read(atlas, own["files"]["neurons.exact.formal/sums"])["scores"]
    assert (exact == toy.scores()[2]).all()
    assert read(atlas, own["files"]["neurons.domains"])["domain_order"]["size"] == 3


def test_old_baselines_have_no_used_items(results):
    path = results / toy.MODEL / "baseline/formal/sums.json"
    said = read_json(path)
    del said["used_ids"]
    write_json(path, {**said, "both_correct_accuracy": None})
    own = model_of(read(made(results), "manifest"), toy.MODEL)
    assert own["tasks"]["formal/sums"]["n_items"] == 2
    assert own["tasks"]["formal/sums"]["accuracy"] is None
