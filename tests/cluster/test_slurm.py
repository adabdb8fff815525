"""The study on a cluster: the same results, the right requests, and nothing lost when jobs or drivers die."""

import calendar
import os
import signal
import time
from types import SimpleNamespace

import pytest
from clone import TASKS
from contents import content
from safetensors.numpy import load_file

STAGES = ("check", "baseline", "attribution", "ablation")
# Submissions of a model: check and baseline pass share one, localizer and lesion pass another. And two of the
# study's tests.
GPU_JOBS = ("start", "attribution", "ablation", "localizer", "networks", "network_use")
PAIRS = ("start", "localizer")
CPU_JOBS = ("confounds", "structure_function")


def files(clone, *suffixes):
    results = clone.path / "results"
    found = {p.relative_to(results) for p in results.rglob("*") if p.suffix in suffixes}
    # The store is the model's own; the record of the run says when it was written.
    return {p for p in found if ".store" not in p.parts and p.name != "provenance.json"}


def assert_same_results(clone, local, *, whole=True):
    """Byte by byte; with ``whole`` the same files, else a part of them."""
    texts, tensors = (".csv", ".json", ".md", ".tex", ".png"), (".safetensors",)
    for suffixes in (texts, tensors):
        names = files(clone, *suffixes)
        assert names and names <= files(local, *suffixes)
        assert not whole or names == files(local, *suffixes)
        for name in names:
            ours, theirs = (c.path / "results" / name for c in (clone, local))
            if suffixes is texts:
                assert ours.read_bytes() == theirs.read_bytes(), name
                continue
            # The header lists its entries in any order.
            ours, theirs = load_file(ours), load_file(theirs)
            assert ours.keys() == theirs.keys()
            assert all(ours[key].tobytes() == theirs[key].tobytes() for key in ours), name


def named(job):
    """rule_start_baseline_pass_check_model -> start"""
    comment = job["Comment"].removeprefix("rule_")
    return next(name for name in (*GPU_JOBS, *CPU_JOBS) if comment.startswith(name))


@pytest.fixture(scope="module")
def calm(slurm, fresh):
    """A run that nothing happens to."""
    clone = fresh("calm")
    clone.snakemake()
    return clone


def test_results_are_those_of_a_local_run(calm, local):
    assert_same_results(calm, local)


def test_model_jobs_ask_for_a_gpu_and_others_stay_off_gpu_nodes(slurm, calm):
    jobs = {named(job): job for job in slurm.jobs(calm)}
    assert sorted(jobs) == sorted((*GPU_JOBS, *CPU_JOBS))
    assert len(slurm.jobs(calm)) == len(jobs), "nothing is submitted twice"
    for name in GPU_JOBS:
        assert jobs[name]["TresPerJob"] == "gres:gpu:1"
        assert jobs[name]["Partition"] == "gpu" and jobs[name]["NodeList"] in ("node1", "node2")
        # Members of an allocation take turns: memory is not added up, time is.
        # Networks gather signals, the others next to nothing in a study of this size.
        assert int(jobs[name]["MinMemoryNode"].removesuffix("M")) in range(6001, 8000), name
        assert jobs[name]["TimeLimit"] == ("01:00:00" if name in PAIRS else "00:30:00")
    for name in CPU_JOBS:
        assert "TresPerJob" not in jobs[name]
        assert jobs[name]["Partition"] == "cpu" and jobs[name]["NodeList"] == "node3"


def test_a_second_run_submits_nothing(slurm, calm):
    before = len(slurm.jobs(calm))
    assert "Nothing to be done" in calm.snakemake().stdout
    assert len(slurm.jobs(calm)) == before


@pytest.fixture(scope="module")
def shared(fresh):
    """A run whose passes are shared by three jobs each."""
    clone = fresh("shared")
    clone.meet("ablation", 3)
    clone.write_config({**clone.config(), "execution": {"shards": 3}})
    clone.snakemake("ablations")
    return clone


def test_shards_of_one_model_run_at_the_same_time(slurm, shared):
    """Each met the others, or none would have gone on; and so the ledger says."""
    spans = []
    for entry in shared.ledger():
        if entry["stage"] == "ablation" and "shard" in entry:
            end = calendar.timegm(time.strptime(entry["time"], "%Y-%m-%dT%H:%M:%SZ"))
            spans.append((end - entry["seconds"], end))
            assert entry["model_loads"] == 1
    assert len(spans) == 3
    # Ends are in whole seconds.
    assert max(began for began, _ in spans) < min(end for _, end in spans) + 1
    jobs = [job for job in slurm.jobs(shared) if "ablation_shard" in job["Comment"]]
    assert len(jobs) == 3 and {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert all(job["TresPerJob"] == "gres:gpu:1" for job in jobs)
    begins, ends = ([job[name] for job in jobs] for name in ("StartTime", "EndTime"))
    assert max(begins) < min(ends)


def test_shards_leave_the_results_of_a_local_run(shared, local):
    """But for rounding: items of other tasks are run in other company."""
    ours, theirs = content(shared), content(local)
    assert ours == {name: theirs[name] for name in ours}
    assert any(name.endswith(".accuracy_drop.csv") for name in ours)
    whole = [entry for entry in shared.ledger() if "shard" not in entry]
    assert {entry["stage"]: entry["model_loads"] for entry in whole} == {
        "check": 1,
        **dict.fromkeys(("baseline", "attribution", "ablation"), 0),
    }


@pytest.fixture(scope="module")
def eventful(slurm, fresh):
    """A run in which each of a model's jobs meets an accident, and at last the driver does."""
    clone = fresh("eventful")
    # Attributions are made as the prompts are read for the baselines: no job of theirs computes anything.
    clone.hold("check", "baseline", "ablation")
    lost = {}
    lines = "# set-resources:\n#   ablation_pass: {runtime: 720}"
    own = "set-resources:\n  ablation_pass: {runtime: 4 * attempt - 3}"
    clone.replace("profiles/slurm/config.yaml", lines, own)
    driver = clone.start("ablations")

    def held(stage):
        assert driver.poll() is None, (clone.path / "driver.log").read_text()[-3000:]
        return clone.held(stage)

    try:
        # Somebody cancels the job.
        slurm.wait("check", lambda: held("check"))
        lost["check"] = clone.held("check")
        slurm("scancel", lost["check"])
        # Its node goes down.
        slurm.wait("baseline", lambda: held("baseline"))
        lost["baseline"] = clone.held("baseline")
        node = slurm.job(lost["baseline"])["NodeList"]
        slurm("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        # SLURM takes the job back into the queue, and would wait two minutes.
        slurm.wait("requeue", lambda: slurm.job(lost["baseline"])["JobState"] == "PENDING")
        slurm("scontrol", "update", f"JobId={lost['baseline']}", "StartTime=now")
        # It takes longer than it said: SLURM ends it.
        slurm.wait("ablation", lambda: held("ablation"))
        lost["late"] = clone.held("ablation")
        clone.hold_again("ablation")
        # The driver is killed while its successor runs.
        slurm.wait("successor", lambda: held("ablation"))
        lost["ablation"] = clone.held("ablation")
        before = clone.ledger()
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
    assert slurm.job(lost["ablation"])["JobState"] == "RUNNING", "SLURM knows nothing of drivers"
    slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
    refused = clone.snakemake("ablations", check=False)
    assert refused.returncode != 0 and "--unlock" in refused.stdout
    clone.snakemake("--unlock")
    again = clone.snakemake("ablations")
    return SimpleNamespace(clone=clone, lost=lost, before=before, words=again.stdout, node=node)


def test_after_all_accidents_the_results_are_those_of_a_local_run(eventful, local):
    assert_same_results(eventful.clone, local, whole=False)
    matrices = list(eventful.clone.path.glob("results/tiny/ablation/**/*.accuracy_drop.csv"))
    assert len(matrices) == 1


def test_a_cancelled_job_is_submitted_again(slurm, eventful):
    assert slurm.job(eventful.lost["check"])["JobState"] == "CANCELLED"


def test_a_job_whose_node_went_down_runs_elsewhere(slurm, eventful):
    jobs = [job for job in slurm.jobs(eventful.clone) if named(job) == "start"]
    assert jobs[-1]["JobState"] == "COMPLETED" and jobs[-1]["NodeList"] != eventful.node


def test_a_job_over_its_time_is_submitted_again(slurm, eventful):
    assert slurm.job(eventful.lost["late"])["JobState"] == "TIMEOUT"
    late, successor, *_ = (job for job in slurm.jobs(eventful.clone) if named(job) == "ablation")
    assert (late["JobId"], successor["JobId"]) == (eventful.lost["late"], eventful.lost["ablation"])
    memory = [int(job["MinMemoryNode"].removesuffix("M")) for job in (late, successor)]
    assert memory[1] == 2 * memory[0] > 12000
    assert [job["TimeLimit"] for job in (late, successor)] == ["00:01:00", "00:05:00"]


def test_jobs_of_a_killed_driver_are_cancelled_by_the_next(slurm, eventful):
    number = eventful.lost["ablation"]
    assert f"Cancelling jobs that a killed run left in the queue: {number}" in eventful.words
    assert slurm.job(number)["JobState"] == "CANCELLED"


def test_finished_work_is_done_once(eventful):
    ledger = eventful.clone.ledger()
    stages = [entry["stage"] for entry in ledger]
    assert ledger[: len(eventful.before)] == eventful.before
    # The second driver came to the stage in which the first one died, and to no other.
    assert stages[len(eventful.before) :] == ["ablation"]
    assert set(stages) == set(STAGES)
    assert len([stage for stage in stages if stage != "check"]) == len(STAGES) - 1
    for entry in ledger:
        # What a job had stored before its accident was not computed again (of ablations: tests/drill).
        if entry["stage"] != "ablation":
            assert entry["reused"], entry
        if entry["stage"] == "check":
            assert entry["model_loads"] == 0
        else:
            assert sorted([*entry["computed"], *entry["reused"]]) == sorted(TASKS)
