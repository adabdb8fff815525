"""Every file that a job reads, damaged: a line that names what is wrong, or a result that is not wrong."""

import os
import re
from pathlib import Path

import pytest
from clone import TASKS
from contents import content, content_of
from player import recorded, scripts_of

RULES = sorted(scripts_of(Path(__file__).resolve().parents[2]))


def kind(path):
    """One name for all files that are read in the same way."""
    for task in TASKS:
        path = path.replace(task, "TASK")
    path = re.sub(r"texts/\w+/\d+", "TEXT", path).replace("/land/", "/sea/")
    # All figures are read in one way, and so are the matrices of all models.
    path = re.sub(r"figures/[^/]*(\.\w+)$", r"figures/FIGURE\1", path)
    path = re.sub(r"results/(theirs|average)/(overlap|ablation)", r"results/tiny/\2", path)
    return re.sub(r"(positive|top|random)-[^/.]*(\.\d+pct)?", "SEL", path)


def kinds(job):
    """One input of each kind."""
    found = {}
    for path in job.inputs:
        found.setdefault(kind(path), path)
    return list(found.values())


def empty(whole):
    return b""


def cut(whole):
    """In the middle, not at the end of a line."""
    half = whole[: len(whole) // 2]
    return half.rstrip(b"\n") if len(half) > 1 else b""


def junk(whole):
    return b"\x00\xff" * max(8, len(whole) // 2)


def other(whole):
    """Sound as a file, of the wrong content."""
    return b"[]\n" if whole[:1] in (b"{", b"[") else b"1,2\n3,4\n"


def gone(whole):
    return None


DAMAGES = (empty, cut, junk, other, gone)


@pytest.mark.parametrize("rule", RULES)
def test_damaged_inputs(study, player, rule):
    """Empty, cut, junk, other content, gone: no wrong result, no traceback, nothing half-written."""
    job = recorded(study.path)[rule][0]
    expected = content(study)
    before = {output: content_of(study.path / output) for output in job.outputs}
    for name in kinds(job):
        path = study.path / name
        if not path.is_file() or not path.resolve().is_relative_to(study.path.resolve()):
            continue  # of another study, or part of a model's folder: see below
        sound, stamp = path.read_bytes(), path.stat()
        for damage in DAMAGES:
            for output in job.outputs:
                (study.path / output).unlink(missing_ok=True)
            damaged = damage(sound)
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            what = f"{name}: {damage.__name__}"
            played = player.play(job, study.path)
            assert "Traceback" not in played.text + played.log, f"{what}\n{played.log}"
            made = {output: content_of(study.path / output) for output in job.outputs}
            if played.code == 0:
                assert made == before, f"{what}: another result"
            else:
                assert played.code == 1 and played.errors, f"{what}\n{played.text}"
                whole = all(made[output] in (None, before[output]) for output in made)
                assert whole, f"{what}: results of a job that failed"
            path.write_bytes(sound)
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    again = player.play(job, study.path)
    assert again.code == 0, again.text
    bring_back(study, player)
    assert content(study) == expected


def bring_back(study, player):
    """Run the passes whose manifests were taken back, as jobs do that miss a record."""
    jobs = recorded(study.path)
    for rule in PASS.values():
        if not (study.path / jobs[rule][0].outputs[0]).exists():
            assert player.play(jobs[rule][0], study.path).code == 0, rule


STORED = (
    *("check", "baseline", "attribution", "ablation", "localizer", "lesion"),
    *("networks", "network_use"),
)
PASS = {"check": "check_model", **{stage: f"{stage}_pass" for stage in STORED[1:]}}
READERS = (
    *("baseline", "attribution", "ablation", "localizer", "lesion", "agreement", "written"),
    *("network_tables", "network_use", "network_agreement"),
)
# The job that writes what its stage's pass stored, where it has another name.
READER = {"networks": "network_tables"}


@pytest.mark.parametrize("stage", STORED)
@pytest.mark.parametrize("damage", [empty, cut, junk])
def test_a_damaged_store(study, player, stage, damage):
    """Its pass computes what is lost and no more; jobs that miss a record say so and bring the pass back."""
    jobs = recorded(study.path)
    expected = content(study)
    shards = list((study.path / "results/tiny/.store" / stage).glob("*.shard"))
    assert shards
    for shard in shards:
        shard.write_bytes(damage(shard.read_bytes()))
    manifest = study.path / jobs[PASS[stage]][0].outputs[0]
    for rule in READERS:
        played = player.play(jobs[rule][0], study.path)
        assert "Traceback" not in played.text + played.log, played.log
        if played.code:
            # Or an earlier job has said so, and has taken back the manifest that this one reads.
            taken_back = f"{stage}.json: the file does not exist" in played.text
            assert played.errors, played.text
            assert "is gone or damaged" in played.errors[0] or taken_back, played.text
        if played.code and rule == READER.get(stage, stage):
            assert not manifest.exists(), "the next run would skip the pass"
    again = player.play(jobs[PASS[stage]][0], study.path)
    assert again.code == 0, again.text + again.log
    for rule in READERS:
        if (study.path / jobs[rule][0].outputs[0]).exists():
            continue
        assert player.play(jobs[rule][0], study.path).code == 0
    if stage == "check":  # the card says when it was measured, on what
        assert manifest.read_bytes()
    bring_back(study, player)  # another stage's manifest may have been taken back, too
    assert content(study) == expected
