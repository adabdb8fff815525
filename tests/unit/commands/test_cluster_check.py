"""What `brodmann check` asks of a cluster and of the hub, and what it makes of their answers."""

import json

import pytest
from slurm_nodes import good_node

from brodmann.cli import main
from brodmann.commands.where import stages
from brodmann.config.load import load_config
from brodmann.models import hub
from brodmann.pipeline.slurm import trial

STUDY = {
    "models": {"a": {"source": "hf:o/x"}, "b": {"source": "hf:o/y"}},
    "tasks": {"include": ["language/npi"], "items": 30},
}


@pytest.fixture
def study(tmp_path):
    def written(**sections):
        path = tmp_path / "study.yaml"
        path.write_text(json.dumps({**STUDY, **sections}))
        return str(path)

    return written


@pytest.fixture
def node(tmp_path):
    """One on which all is as it should be."""
    return good_node(tmp_path / "cache")


@pytest.mark.parametrize(("device", "gpus"), [("auto", 1), ("cpu", 0)])
def test_a_job_is_sent_as_the_models_need_it(
    study, node, tmp_path, monkeypatch, capsys, device, gpus
):
    sent = []

    def run(wanted, say):
        sent.append(wanted)
        say("job 7 is running on node7")
        return node

    monkeypatch.setattr(trial, "run", run)
    file = study(execution={"cache": str(tmp_path / "cache"), "device": device})
    words = ["check", file, "--cluster", "--profile", "mine", "--wait", "7"]
    assert main(words) == 0
    [wanted] = sent
    assert (wanted.profile, wanted.gpus, wanted.patience_s) == ("mine", gpus, 7)
    assert wanted.cache == str(tmp_path / "cache") and wanted.snakefile.is_file()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{file}: fine. 2 models, 1 task, 30 items."
    assert said[2:4] == ["job 7 is running on node7", "node: node7 of partition gpu, 2 CPUs"]


def test_a_node_that_will_not_do_is_an_error_after_what_was_seen(
    study, node, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(trial, "run", lambda wanted, say: node)
    file = study(execution={"cache": str(tmp_path / "elsewhere")})
    assert main(["check", file, "--cluster"]) == 1
    said = capsys.readouterr()
    assert "node: node7 of partition gpu, 2 CPUs" in said.out.splitlines()
    what = f"the node takes {tmp_path}/cache, this host {tmp_path}/elsewhere"
    assert said.err == f"ERROR: cache: {what} (set execution.cache in the study)\n"


def test_each_model_of_the_hub_has_a_line(study, monkeypatch, capsys):
    """Nothing else is asked of the hub; of a broken study it is not asked in vain."""
    monkeypatch.setattr(hub, "ask", lambda entry, cache: f"{entry.source} is here")
    file = study()
    assert main(["check", file, "--online"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "models.a: hf:o/x is here",
        "models.b: hf:o/y is here",
        f"{file}: fine. 2 models, 1 task, 30 items.",
    ]


def test_a_folder_of_results_without_matrices_is_said(study, tmp_path, capsys):
    (tmp_path / "theirs").mkdir()
    file = study(
        models={"theirs": {"source": "results:theirs"}}, localizer={"lesion": {"tasks": []}}
    )
    assert main(["check", file]) == 1
    fix = "e.g. overlap/positive_0.1pct_overlap.csv; see docs/statistics.md"
    what = f"no overlap matrix in {tmp_path}/theirs"
    assert capsys.readouterr().err == f"ERROR: models.theirs.source: {what} ({fix})\n"


def test_the_stages_of_a_study_are_those_of_its_maps(study, tmp_path, root):
    (tmp_path / "theirs").mkdir()

    def found(**sections):
        loaded = load_config([study(localizer={"lesion": {"tasks": []}}, **sections)], root=root)
        return dict(stages(loaded.study))

    every = found(
        networks={"datasets": {"sea": "corpus:news"}},
        faithfulness={"tasks": ["language/npi"]},
        models={"a": {"source": "hf:o/x"}, "b": {"source": "hf:o/y", "ablation": False}},
    )
    own = [name.removeprefix("a: ") for name in every if name.startswith("a: ")]
    assert own == [
        *("checked", "baselines", "circuits", "ablations", "faithfulness", "localizers", "networks")
    ]
    assert every["a: faithfulness"] == ["a/faithfulness/neurons.patching.csv"]
    assert every["a: networks"] == ["a/networks/consistency.csv", "a/networks/editing.csv"]
    assert every["a: localizers"][0] == "a/localizer/language/lesion.csv"
    assert {"b: ablations", "b: faithfulness"}.isdisjoint(every) and "b: networks" in every
    imported = found(models={"theirs": {"source": "results:theirs"}})
    assert list(imported) == ["statistics", "report", "atlas"]
