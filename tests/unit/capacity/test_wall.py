"""How long jobs take on several GPUs, against closed forms and bounds."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brodmann.capacity.plan import plan
from brodmann.capacity.wall import Job, jobs_of, wall_minutes
from brodmann.cli import main
from brodmann.config.load import load_config


def test_closed_forms():
    apart = [Job(10.0, 1) for _ in range(7)]
    assert [wall_minutes(apart, gpus) for gpus in (1, 2, 3, 7, 99)] == [70, 40, 30, 10, 10]
    chain = [Job(10.0, 1, (n - 1,) if n else ()) for n in range(7)]
    assert [wall_minutes(chain, gpus) for gpus in (1, 7)] == [70, 70]
    # Two of four GPUs, and one of one: the longest first.
    assert wall_minutes([Job(5.0, 1), Job(9.0, 2), Job(8.0, 2)], 4) == 13
    assert wall_minutes([Job(1.0, 2)], 1) is None
    assert wall_minutes([], 1) == 0


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(1, 3), st.sets(st.integers(0, 30), max_size=3)),
        max_size=20,
    ),
    st.integers(3, 12),
)
def test_between_the_bounds_of_list_scheduling(made, gpus):
    """Not faster than the longest chain or all GPUs busy; Garey and Graham: nor much slower."""
    jobs = [
        Job(float(minutes), wide, tuple(n for n in after if n < number))
        for number, (minutes, wide, after) in enumerate(made)
    ]
    ends: list[float] = []
    for job in jobs:
        ends.append(job.minutes + max((ends[n] for n in job.after), default=0.0))
    chain = max(ends, default=0.0)
    work = sum(job.minutes * job.gpus for job in jobs)
    found = wall_minutes(jobs, gpus)
    assert max(chain, work / gpus) - 1e-9 <= found <= sum(job.minutes for job in jobs) + 1e-9
    if all(job.gpus == 1 for job in jobs):
        assert found <= work / gpus + chain * (1 - 1 / gpus) + 1e-9


@pytest.fixture
def study_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRODMANN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    folder.mkdir()
    sizes = {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80}
    heads = {"num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 32000}
    config = {"model_type": "llama", **sizes, **heads, "torch_dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(config))
    entry = {"source": f"path:{folder}", "device_map": "auto", "gpus": 2}
    file = tmp_path / "study.json"
    study = {"models": {"m": entry, "n": entry}, "tasks": {"items": 100}}
    study["networks"] = {"datasets": {"news": "corpus:news"}, "editing": {"localizer": "language"}}
    file.write_text(json.dumps(study))
    return file


def test_the_jobs_of_a_study(root, study_file):
    study = load_config([study_file], root=root).study
    plans = plan(study, ["m", "n"])
    one, both = jobs_of(study, plans[:1]), jobs_of(study, plans)
    assert len(both) == 2 * len(one) > 2 * len(plans[0].stages)
    assert all(job.gpus == 2 and all(n < k for n in job.after) for k, job in enumerate(both))
    working = sum(stage.time.working for stage in plans[0].stages)
    assert sum(job.minutes for job in one) >= working
    # Chains of the two models do not touch.
    assert all((n < len(one)) == (k < len(one)) for k, job in enumerate(both) for n in job.after)
    assert wall_minutes(one, 1) is None
    walls = [wall_minutes(both, gpus) for gpus in (2, 8, 64)]
    assert walls == sorted(walls, reverse=True) and walls[0] > 5 * walls[2]


def test_what_the_plan_prints(study_file, capsys):
    assert main(["plan", "--configfile", str(study_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    [head] = [n for n, line in enumerate(lines) if line.startswith("with shards")]
    assert lines[head].split() == ["with", "shards", "1", "GPU", "8", "GPUs", "64", "GPUs", "jobs"]
    assert [line.split()[0] for line in lines[head + 1 : head + 4]] == ["m", "n", "all"]
    assert lines[head + 1].split()[1] == "-", "two GPUs hold it"
    assert lines[head + 4].startswith("jobs of about 120 min")
    assert lines[-1].startswith("Planned for GPUs of 80 GB, whatever this machine has")
    # A shard asks for its part of the time, and no job for more than it may have.
    [columns] = {line for line in lines if line.startswith("  stage ")}
    [ablation, _] = [line.split() for line in lines if line.startswith("  ablation ")]
    shards, runtime = int(ablation[-4]), int(ablation[-2])
    assert columns.split()[-3:] == ["shards", "mem_mb", "runtime"]
    assert shards > 1 and runtime < 600
    assert not any("submitted again" in line for line in lines)
    assert main(["plan", "--configfile", str(study_file), "--cpu"]) == 0
    said = capsys.readouterr().out
    assert "with shards" not in said and "Planned for" not in said
