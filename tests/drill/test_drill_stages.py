"""Every kind of job, killed with -9 and on a disk that is full, at several of its writes."""

import json
import shutil
from pathlib import Path

import pages
import pytest
from contents import content, hidden
from drilled import writes_to_try
from player import Fault, recorded, scripts_of

from brodmann.pipeline.stages import PASSES, STAGES

RULES = sorted(scripts_of(Path(__file__).resolve().parents[2]))
# Jobs that put records into the model's store, and where.
STORED = {name: STAGES[name].store for name in PASSES}


def test_the_study_has_a_job_of_every_kind(root, drilled):
    """A new rule must appear in the study of the drills (drilled.py), and its columns in the docs."""
    assert sorted(recorded(drilled.path)) == RULES
    assert pages.unexplained(drilled.path / "results", root / "docs") == []


def undo(study, job):
    """As before the job's first run."""
    for output in job.outputs:
        (study.path / output).unlink(missing_ok=True)
    if stage := STORED.get(job.rule):
        shutil.rmtree(study.path / "results/tiny/.store" / stage, ignore_errors=True)


@pytest.fixture
def job(study, request):
    return recorded(study.path)[request.param][0]


@pytest.mark.parametrize("job", RULES, indirect=True, ids=RULES)
def test_killed_at_any_write(study, player, job):
    """kill -9: every result is absent or as it was, and a rerun gives what the first run gave."""
    expected = content(study)
    undo(study, job)
    counted = player.play(job, study.path)
    assert counted.code == 0, counted.text + counted.log
    assert content(study) == expected
    for at in writes_to_try(counted.writes):
        undo(study, job)
        kind = "torn" if at % 2 else "kill"
        killed = player.play(job, study.path, Fault(kind, at))
        assert killed.code == -9, killed.text
        found = content(study)
        assert {name: expected[name] for name in found} == found
        again = player.play(job, study.path)
        assert again.code == 0, again.text + again.log
        assert content(study) == expected
    if job.rule not in STORED:  # whatever was left behind, nothing reads it
        assert not [p for p in hidden(study) if p.name in map(str, job.outputs)]


@pytest.mark.parametrize("job", RULES, indirect=True, ids=RULES)
def test_no_space_left_at_any_write(study, player, job):
    """A full disk: one line that says so, nothing half-written, and with room again the same results."""
    expected = content(study)
    undo(study, job)
    writes = player.play(job, study.path).writes
    for at in writes_to_try(writes):
        undo(study, job)
        failed = player.play(job, study.path, Fault("full", at))
        assert failed.code == 1, (at, failed.text)
        assert failed.errors and "No space left on device" in failed.errors[0], failed.text
        assert "Traceback" not in failed.text + failed.log, failed.log
        found = content(study)
        assert {name: expected[name] for name in found} == found
    again = player.play(job, study.path)
    assert again.code == 0, again.text + again.log
    assert content(study) == expected


@pytest.mark.parametrize("stage", [s for s in STORED.values() if s != "check"])
def test_a_killed_pass_computes_nothing_twice(study, player, stage):
    """kill -9 when the store holds a part of the work: what it holds is not computed again."""
    rule = next(rule for rule, own in STORED.items() if own == stage)
    job = recorded(study.path)[rule][0]
    undo(study, job)
    whole = player.play(job, study.path)
    first = study.ledger()[-1]
    listed = len(set(json.loads((study.path / job.outputs[0]).read_text())["keys"].values()))
    undo(study, job)
    durable = [at for at, path in whole.stored if Path(path).parent.name == stage]
    killed = player.play(job, study.path, Fault("kill", durable[len(durable) // 2]))
    assert killed.code == -9
    [left] = (study.path / "results/tiny/.store" / stage).glob("*.open")
    stored = left.read_bytes().count(b"BRD1 ")
    assert stored >= 1 and not Path(study.path / job.outputs[0]).exists()
    before = len(study.ledger())
    assert player.play(job, study.path).code == 0
    [entry] = study.ledger()[before:]
    if stage == "lesion":  # a record says which activations are massive, and is no row
        assert entry["rows"] <= first["rows"] - (stored - 1) + 1
    elif (
        stage == "ablation"
    ):  # lesions are not listed in the manifest: what is listed is not a lesion
        assert entry["lesions"] <= first["lesions"] - (stored - listed)
    elif stage == "networks":
        assert entry["templates"] + entry["samples"] == 6 - stored
    elif stage == "network_use":
        assert entry["computed"] == first["computed"] - stored
    else:
        assert len(entry["computed"]) < len(first["computed"]) or len(first["computed"]) == 1
    manifest = json.loads((study.path / job.outputs[0]).read_text())
    assert manifest["stage"] == stage
