"""A cluster that keeps accounts: jobs name account, QOS and reservation, and are found in the data base."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SCRIPT = Path(__file__).with_name("local_slurm.sh")


@pytest.fixture(scope="module")
def accounting(slurm):
    """The cluster with slurmdbd in the place of the plain one, which comes back afterwards."""

    def start(**settings):
        subprocess.run([SCRIPT, "start"], check=True, env={**os.environ, **settings})

    try:
        start(SLURM_TEST_ACCOUNTING="1")
        yield slurm
    finally:
        subprocess.run([SCRIPT, "stop"], check=True)
        start()


@pytest.fixture(scope="module")
def study(accounting, fresh):
    return fresh("accounting")


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(scope="module")
def brodmann(study, homes):
    """Run the command with profiles of its own: those of ``home``."""

    return lambda home, *arguments: study.brodmann(homes / home, *arguments)


@pytest.fixture(scope="module")
def installed(brodmann, homes):
    code, said = brodmann("plain", "profile", "install", "slurm")
    assert code == 0, said
    return said, homes / "plain" / "snakemake" / "slurm"


@pytest.fixture(scope="module")
def finished(accounting, study, installed):
    """The first stages of a study through the profile that was installed."""
    command = [sys.executable, "-m", "snakemake", "--profile", str(installed[1]), "baselines"]
    command += ["--slurm-init-seconds-before-status-checks", "5"]
    done = subprocess.run(
        command, cwd=study.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return accounting.jobs(study)


def test_account_and_qos_are_those_that_the_partitions_take(installed):
    said, folder = installed
    assert (
        "account        biology          partition gpu does not take your default, physics" in said
    )
    assert "longest job    8 h" in said and "jobs at a time 30" in said
    profile = yaml.safe_load((folder / "config.yaml").read_text())
    asked = profile["default-resources"]
    assert asked["slurm_account"] == "'biology'" and "'gpu'" in asked["qos"]
    assert profile["set-resources"]["baseline_pass"] == {"runtime": 240}


def test_jobs_are_charged_to_it(accounting, finished):
    [job] = finished
    assert (job["Account"], job["QOS"], job["Partition"]) == ("biology", "gpu", "gpu")
    assert job["TimeLimit"] == "08:00:00", "two passes of the four hours that each may take"
    asked = ("sacct", "-X", "--noheader", "--parsable2", "--format=Account,QOS,State,ReqTRES")
    account, qos, state, tres = accounting(*asked, "-j", job["JobId"]).strip().split("|")
    assert (account, qos, state) == ("biology", "gpu", "COMPLETED") and "gres/gpu=1" in tres


def test_another_account_is_refused_in_a_line(study, brodmann, installed, homes):
    folder = homes / "wrong" / "snakemake" / "slurm"
    folder.mkdir(parents=True)
    text = (installed[1] / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("'biology'", "'physics'"))
    code, said = brodmann("wrong", "check", "--cluster")
    assert code == 1
    [wrong] = [line for line in said.splitlines() if line.startswith("ERROR")]
    assert "sbatch refused the job" in wrong


def test_a_reservation_is_gone_into_and_sacct_tells_the_state(accounting, study, brodmann, homes):
    accounting(
        *("scontrol", "create", "reservation", "ReservationName=course", "StartTime=now"),
        *("Duration=60", "Users=root", "Nodes=node2"),
    )
    code, said = brodmann("course", "profile", "install", "slurm", "--reservation", "course")
    assert code == 0, said
    file = homes / "course" / "snakemake" / "slurm" / "config.yaml"
    text = file.read_text()
    file.write_text(text.replace("slurm-status-command: squeue", "slurm-status-command: sacct"))
    arguments = ("--config", "execution={device: cpu}")
    code, said = brodmann("course", "check", "--cluster", *arguments)
    assert code == 0, said
    job = accounting.jobs_below(study)[-1]
    assert (job["Reservation"], job["NodeList"], job["QOS"]) == ("course", "node2", "gpu")
