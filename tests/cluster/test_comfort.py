"""A profile that is filled in by a cluster, and a job that tries it."""

from functools import partial

import pytest
import yaml


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("config")


@pytest.fixture(scope="module")
def study(slurm, fresh):
    return fresh("comfort")


@pytest.fixture(scope="module")
def brodmann(study, home):
    return partial(study.brodmann, home)


@pytest.fixture(scope="module")
def installed(brodmann, home):
    code, said = brodmann("profile", "install", "slurm")
    assert code == 0, said
    return said, yaml.safe_load((home / "snakemake" / "slurm" / "config.yaml").read_text())


@pytest.fixture(scope="module")
def tried(slurm, installed, brodmann):
    code, said = brodmann("check", "--cluster")
    return code, said


def test_the_profile_is_filled_in(installed):
    said, profile = installed
    assert "GPU partition  gpu              fake (2 on a node), 2 nodes, no limit of time" in said
    assert "CPU partition  cpu              the site's default, without GPUs" in said
    assert "Not found out: accounts and QOS: the site keeps no accounts" in said
    asked = profile["default-resources"]["slurm_partition"]
    assert asked == "'gpu' if threads > 1 else 'cpu'"
    assert profile["slurm-status-command"] == "squeue"


def test_a_job_says_what_its_node_sees(slurm, study, tried):
    code, said = tried
    assert code == 1, said
    # These GPUs are files: the one thing that is wrong.
    [wrong] = [line for line in said.splitlines() if line.startswith("ERROR")]
    assert "has none, though one was asked for" in wrong
    assert "torch: " in said and ", writable, " in said and "are the same as here" in said
    [job] = slurm.jobs_below(study)
    assert (job["Partition"], job["TresPerJob"]) == ("gpu", "gres:gpu:1")
    assert f"node: {job['NodeList']} of partition gpu" in said
    left = [p.name for p in study.path.iterdir() if p.name.startswith(".brodmann")]
    assert left == []


def test_a_study_for_the_cpu_asks_for_no_gpu(slurm, study, installed, brodmann):
    code, said = brodmann("check", "--cluster", "--config", "execution={device: cpu}")
    assert code == 0, said
    assert "GPU: none, and none was asked for" in said
    assert "TresPerJob" not in slurm.jobs_below(study)[-1]


def test_a_job_that_waits_says_why_and_is_taken_back(slurm, study, installed, brodmann):
    for node in ("node1", "node2"):
        slurm("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    try:
        code, said = brodmann("check", "--cluster", "--wait", 25)
    finally:
        for node in ("node1", "node2"):
            slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
    assert code == 1
    [wrong] = [line for line in said.splitlines() if line.startswith("ERROR")]
    assert "no answer after 25 s: job" in wrong and "waits in the queue, reason" in wrong
    assert slurm("squeue", "--noheader") == ""


def test_a_request_that_is_refused_is_said_in_a_line(slurm, study, tmp_path, brodmann):
    text = (study.path / "profiles/slurm/config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("'gpu' if", "'gqu' if"))
    code, said = brodmann("check", "--cluster", "--profile", tmp_path)
    assert code == 1
    [wrong] = [line for line in said.splitlines() if line.startswith("ERROR")]
    assert "sbatch refused the job" in wrong and "invalid partition" in wrong
