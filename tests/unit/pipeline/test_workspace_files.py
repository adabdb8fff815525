"""Which files the rules of a study read, for settings that ask for more or for less than the shipped ones."""

import json
import os
from types import SimpleNamespace

import pytest

from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.pipeline import workspace as workspaces
from brodmann.pipeline.workspace import Workspace, alternatives, config_files

TASK, OTHER = "language/npi", "physical/speed"
MODELS = {
    "one": {"source": "hf:org/one"},
    "control": {"source": "hf:org/one", "untrained": True, "ablation": False},
}
ONE, CONTROL = SimpleNamespace(model="one"), SimpleNamespace(model="control")


@pytest.fixture
def study(root, tmp_path, monkeypatch):
    """The workspace of a study with these sections; models and tasks are as above unless they are given."""
    monkeypatch.chdir(tmp_path)

    def opened(**sections):
        config = {"models": MODELS, "tasks": {"include": [TASK, OTHER]}}
        config["localizer"] = {"lesion": {"tasks": [TASK]}}
        (tmp_path / "study.yaml").write_text(json.dumps({**config, **sections}))
        return Workspace(load_config(["study.yaml"], root=root), root)

    return opened


def test_the_texts_of_networks_are_the_files_that_hold_them(study, root, tmp_path):
    (tmp_path / "texts").mkdir()
    for name in ("b.txt", "a.txt", "notes.md"):
        (tmp_path / "texts" / name).write_text("x")
    (tmp_path / "lines.jsonl").write_text('{"body": "x"}\n')
    datasets = {
        "prose": "corpus:news",
        "sums": "corpus:maths",  # generated
        "folder": "texts",
        "field": "lines.jsonl#body",
        "asked": f"task:{TASK}",
        "hub": "hf:org/texts",  # fetched
    }
    found = study(networks={"datasets": datasets})
    news = os.path.relpath(root / "stimuli" / "corpora" / "news.txt")
    assert found.network_inputs == [
        news,
        "texts/a.txt",
        "texts/b.txt",
        "lines.jsonl",
        f"results/items/{TASK}.json",
    ]
    [prose, example] = found.network_use_files
    assert (root / "stimuli").resolve() in (tmp_path / prose).resolve().parents
    assert os.path.basename(example) == "languages.txt"
    assert found.text_files[-2:] == [prose, example] and found.corpus_file == prose
    assert set(found.network_inputs) - set(found.text_files) == {f"results/items/{TASK}.json"}
    used = found.used_networks(ONE)
    assert used["templates"] == [
        f"results/one/networks/{n}/templates.safetensors" for n in datasets
    ]
    assert (
        used["model_json"] == "results/one/model.json" and used["samples"] == found.network_inputs
    )


def test_an_example_of_ones_own_is_the_one_that_is_drawn(study, tmp_path):
    (tmp_path / "mine.txt").write_text("one\ntwo\n")
    own = {"datasets": {"a": "corpus:news"}, "following": {"example": "mine.txt"}}
    assert study(networks=own).network_use_files[1] == "mine.txt"


def test_a_study_without_networks_or_localizers_reads_none_of_their_texts(study):
    found = study(localizer={"networks": [], "lesion": {"tasks": []}})
    assert found.network_inputs == found.network_use_files == found.stimulus_files == []
    assert found.text_files == [] and "localizer_manifest" not in found.paged_units(ONE)
    assert not any("massive" in file for file in found.more_files)


def test_localizers_read_their_own_files_and_no_hidden_ones(study, tmp_path):
    for name in ("language/sentences.txt", "language/.hidden", "language/more/deep.txt"):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    own = {"networks": ["language", "multiple-demand"], "stimuli": "mine", "lesion": {"tasks": []}}
    # Of a network that is generated there is no folder.
    assert study(localizer=own).stimulus_files == ["mine/language/sentences.txt"]


def test_pages_of_units_are_made_of_what_was_measured(study):
    masks = [f"results/one/masks/neurons/positive-0.1pct/{task}.csv" for task in (TASK, OTHER)]
    found = study()
    assert found.paged_units(ONE) == {
        "masks": masks,
        "localizer_manifest": "results/one/.store/localizer.json",
    }
    ablated, control = found.unit_page_files(ONE), found.unit_page_files(CONTROL)
    assert ablated["tokens_manifest"] == "results/one/.store/ablation.json"
    assert "tokens_manifest" not in control
    networks = study(networks={"datasets": {"a": "corpus:news"}}).unit_page_files(ONE)
    assert networks["tokens_manifest"] == "results/one/.store/network_use.json"
    assert networks["templates"] == ["results/one/networks/a/templates.safetensors"]
    # Without an atlas nobody looks at them; effects of single units are used all the same.
    without = study(atlas={"units": 0}, attribution={"estimator": "exact"})
    assert without.paged_units(ONE) == {}
    assert without.unit_page_files(ONE)["attributions"] == [
        f"results/one/attribution/neurons/{task}.safetensors" for task in (TASK, OTHER)
    ]
    assert "tokens_manifest" not in without.unit_page_files(ONE)


def test_estimators_that_are_compared_leave_their_files(study):
    """The usual ones a table of units; those that are named, records of the pass."""
    plain = study(attribution={"agreement": {"tasks": [TASK]}}).unit_page_files(ONE)
    assert plain["agreements"] == ["results/one/attribution/neurons.agreement.units.csv"]
    assert "attribution_manifest" not in plain and plain["attributions"] == []
    named = {"tasks": [TASK], "estimators": ["relp at all"]}
    tried = study(attribution={"agreement": named}).unit_page_files(ONE)
    assert tried["attribution_manifest"] == "results/one/.store/attribution.json"
    assert tried["attributions"] == [f"results/one/attribution/neurons/{TASK}.safetensors"]
    none = study(attribution={"agreement": {"tasks": []}}).unit_page_files(ONE)
    assert {"agreements", "attribution_manifest"}.isdisjoint(none)
    assert "agreements" not in tried


def test_stability_is_read_where_circuits_are_resampled(study):
    pairs = [f"results/{m}/overlap/neurons/positive-0.1pct.stability.csv" for m in MODELS]
    found = study(attribution={"stability": {"items": [10, 20]}})
    assert found.stability_files == pairs
    curve = "results/{model}/overlap/{component}/positive-0.1pct.stability.curve.csv"
    assert found.stability_curves == {"curves": curve}
    found = study(attribution={"bootstraps": 0})
    assert found.stability_files == [] and found.stability_curves == {}


def test_what_is_told_follows_from_what_is_asked(study):
    plain = study(
        attribution={"bootstraps": 0}, localizer={"networks": [], "lesion": {"tasks": []}}
    )
    assert plain.more_files == ["results/one/units/neurons.csv"]
    heads = {"components": ["heads"], "bootstraps": 0}
    assert not any("units" in file for file in study(attribution=heads).more_files)
    found = study(
        attribution={"components": ["neurons", "heads"], "bootstraps": 0},
        granularity={"levels": ["neurons", "heads"]},
        faithfulness={"tasks": [TASK], "rivals": {"rounds": 3}},
        statistics={"experts": True},
        networks={"datasets": {"sea": "corpus:news"}},
    ).more_files
    assert "results/statistics/granularity.csv" in found
    assert "results/statistics/experts.csv" in found
    assert "results/control/experts/positive-0.1pct.csv" in found
    rivals = [file for file in found if file.endswith(".rivals.csv")]
    assert rivals == [
        f"results/one/faithfulness/{c}.patching.rivals.csv" for c in ("neurons", "heads")
    ]
    assert [file for file in found if "driving" in file] == [
        f"results/{name}/networks/sea/driving.csv" for name in MODELS
    ]
    assert "results/one/localizer/massive.csv" in found


def test_a_registered_plan_is_told_too(study, tmp_path):
    found = study()
    assert workspaces.REGISTRATION not in found.told_files
    (tmp_path / "results").mkdir()
    (tmp_path / workspaces.REGISTRATION).write_text("{}")
    assert found.told_files == [*found.more_files, workspaces.REGISTRATION]


def test_circuits_of_larger_units_need_attributions_of_all_their_parts(study):
    both = {"components": ["neurons", "heads"]}
    found = study(attribution=both, granularity={"levels": ["heads", "mixed"]})
    assert sorted(found.granularity_attributions(ONE)) == [
        f"results/one/attribution/{c}/{t}.safetensors"
        for c in ("heads", "neurons")
        for t in (TASK, OTHER)
    ]
    assert study().granularity_attributions(ONE) == []


def test_weights_are_watched_where_they_are_files(study, tmp_path):
    (tmp_path / "model").mkdir()
    for name in ("b.safetensors", "a.json"):
        (tmp_path / "model" / name).write_text("x")
    (tmp_path / "model" / "folder").mkdir()
    (tmp_path / "small.gguf").write_bytes(b"GGUF")
    models = {"here": {"source": "path:model"}, "small": {"source": "gguf:small.gguf"}, **MODELS}
    found = study(models=models)
    assert found.weights_files("here") == ["model/a.json", "model/b.safetensors"]
    assert found.weights_files("small") == ["small.gguf"] and found.weights_files("one") == []


def test_an_untrained_model_is_run_on_the_items_of_its_twin(study):
    lent = [f"results/one/baseline/{task}.json" for task in (TASK, OTHER)]
    aligned = {"include": [TASK, OTHER], "filter": "aligned"}
    assert study(tasks=aligned).lent_baselines(CONTROL) == lent
    assert study(tasks=aligned).lent_baselines(ONE) == []
    own = {"include": [TASK, OTHER], "filter": "both_correct"}
    assert study(tasks=own).lent_baselines(CONTROL) == []


@pytest.fixture
def taken_over(tmp_path):
    """Results of two models: one in the published layout, one in ours."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for path in (
        theirs / "overlap/positive_0.1pct_overlap.csv",
        theirs / "ablation_analysis/positive_0.1pct_corrupted_accuracy.csv",
        theirs / "accuracy.csv",
        ours / "overlap/neurons/positive-0.1pct.containment.csv",
        ours / "overlap/neurons/positive-0.1pct.jaccard.csv",
        ours / f"baseline/{TASK}.json",
        ours / "baseline/language/.left.json",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")
    table = {"accuracies": {"table": "accuracy.csv", "column": "one"}}
    return {"theirs": {"source": "results:theirs", **table}, "ours": {"source": "results:ours"}}


def test_results_that_are_taken_over_are_read_where_they_lie(study, taken_over, tmp_path):
    for entry in taken_over.values():
        if "accuracies" in entry:
            entry["accuracies"]["table"] = str(tmp_path / "theirs" / "accuracy.csv")
    found = study(models={**MODELS, **taken_over})
    sel = "positive-0.1pct"

    def of(name):
        return SimpleNamespace(imported=name, component="neurons", sel=sel, kind="corrupted")

    def below(files):
        return [os.path.relpath(file, tmp_path) for file in files]

    assert below(found.imported_overlap(of("theirs"))) == [
        "theirs/overlap/positive_0.1pct_overlap.csv"
    ]
    own = [f"ours/overlap/neurons/{sel}.{m}.csv" for m in ("containment", "jaccard")]
    assert below(found.imported_overlap(of("ours"))) == own
    drop = "theirs/ablation_analysis/positive_0.1pct_corrupted_accuracy.csv"
    assert below([found.imported_drop(of("theirs"))]) == [drop]
    assert below(found.imported_accuracies(of("theirs"))) == ["theirs/accuracy.csv"]
    assert below(found.imported_accuracies(of("ours"))) == [f"ours/baseline/{TASK}.json"]
    assert set(below(found.imported_files)) == {
        *("theirs/overlap/positive_0.1pct_overlap.csv", drop, "theirs/accuracy.csv"),
        *(*own, f"ours/baseline/{TASK}.json"),
    }
    # Tasks of others may be any that there are: all of them have titles.
    assert len(found.titles) > 2


def test_published_items_come_from_two_files(study, tmp_path):
    files = {
        "config/MD/config.json": {"add": {"path": "add.json"}},
        "data/MD/add.json": [],
    }
    for name, content in files.items():
        path = tmp_path / "published" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    localizer = {"networks": [], "lesion": {"tasks": []}}
    tasks = {"published": "published", "include": ["formal/add"]}
    found = study(tasks=tasks, localizer=localizer)
    assert found.definition_files("formal/add") == [f"published/{name}" for name in files]
    files = study().definition_files(TASK)
    assert files[0].endswith(f"data/{TASK}.yaml")
    assert all("lexicons" in file for file in files[1:]) and len(files) > 1


def test_a_folder_that_cannot_be_written_is_said_before_snakemake_tries(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    workspaces._refuse_unwritable(tmp_path)
    monkeypatch.setattr(os, "access", lambda place, _: place.name != "results")
    with pytest.raises(UserError) as error:
        workspaces._refuse_unwritable(tmp_path)
    fix = "give yourself the right to, or start with --directory in another folder"
    assert str(error.value) == f"{tmp_path}/results: cannot be written ({fix})"


def test_config_files_are_as_short_as_they_can_be_written(tmp_path, monkeypatch, root):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert config_files([]) == [root / "config.yaml"]
    (tmp_path / "here" / "config.yaml").write_text("{}")
    (tmp_path / "above.yaml").write_text("{}")
    assert list(map(str, config_files([]))) == ["config.yaml"]
    given = [tmp_path / "here" / "config.yaml", tmp_path / "above.yaml"]
    assert list(map(str, config_files(given))) == ["config.yaml", str(tmp_path / "above.yaml")]


def test_an_expression_of_no_names_matches_nothing():
    import re

    assert re.fullmatch(alternatives(["a.b", "c"]), "a.b") and not re.fullmatch(
        alternatives(["a.b", "c"]), "axb"
    )
    assert re.fullmatch(alternatives([]), "") is None
