"""What is chosen for a SLURM site, and the profile that says it."""

import pytest
import yaml
from slurm_sites import play
from snakemake.resources import Resource

from brodmann.capacity import resources
from brodmann.errors import UserError
from brodmann.pipeline.slurm import choice
from brodmann.pipeline.slurm.choice import Wishes, choose, duration, fill
from brodmann.pipeline.slurm.site import Association, Limits, Partition, Site, ask

A100 = {"gpus": {"a100": 4}, "total_gpus": 8, "nodes": 2}
CPU = Partition("cpu", default=True, nodes=3)
GPU = Partition("gpu", **A100)


@pytest.fixture
def template(root):
    return (root / "profiles/slurm/config.yaml").read_text()


def said(found):
    return {one.what: (one.value, one.why) for one in found.choices}


def of_jobs(profile, key):
    """A default resource of the profile, for a job that loads a model and for another."""
    asked = Resource.from_cli_expression(
        key, str(profile["default-resources"][key]), with_threads_arg=True
    )
    given = {"wildcards": None, "input": [], "attempt": 1, "rulename": "", "async_run": None}
    return tuple(asked.evaluate(**given, threads=n).value for n in (8, 1))


def refused(site, **wishes):
    with pytest.raises(UserError) as error:
        choose(site, Wishes(**wishes))
    return str(error.value)


def test_what_is_known_of_jobs_is_what_they_ask_for(template):
    profile = yaml.safe_load(template)
    assert resources.LONGEST == choice.LONGEST
    assert profile["default-resources"]["runtime"] == choice._LIGHT
    assert profile["jobs"] == choice._JOBS


def test_a_site_with_kinds_of_gpus(tmp_path, monkeypatch, template):
    play("kinds", tmp_path, monkeypatch)
    found = choose(ask(), Wishes())
    words = said(found)
    value, why = words["GPU partition"]
    # scavenge has as many, and a week; but its jobs are ended for others.
    assert value == "gpu"
    assert why == "a100 (4 on a node), v100 (2 on a node), 2 nodes, 2 days; others: scavenge, debug"
    assert words["CPU partition"] == ("cpu", "the site's default, without GPUs")
    assert "there are a100, v100" in words["kind of GPU"][1]
    assert words["longest job"][0] == "as estimated" and words["state of jobs"][0] == "squeue"
    text = fill(template, found)
    profile = yaml.safe_load(text)
    assert of_jobs(profile, "slurm_partition") == ("gpu", "cpu")
    # Two of the start group, or of the localizer group, fit into two days: nothing to shorten.
    assert "set-resources" not in profile
    assert {**profile, "default-resources": None} == {
        **yaml.safe_load(template),
        "default-resources": None,
    }


def test_the_kind_that_is_wished_for(tmp_path, monkeypatch, template):
    play("kinds", tmp_path, monkeypatch)
    site = ask()
    profile = yaml.safe_load(fill(template, choose(site, Wishes(gpu_model="v100"))))
    assert of_jobs(profile, "gpu_model") == ("v100", "")
    assert "did you mean 'v100'?" in refused(site, gpu_model="v10")
    assert "did you mean 'scavenge'?" in refused(site, gpu_partition="scavange")


def test_a_site_without_gpus(tmp_path, monkeypatch, template):
    play("none", tmp_path, monkeypatch)
    found = choose(ask(), Wishes())
    words = said(found)
    assert words["GPU partition"][0] == "none"
    assert "set execution.device: cpu" in words["GPU partition"][1]
    assert words["CPU partition"] == ("short", "the site's default, without GPUs")
    profile = yaml.safe_load(fill(template, found))
    assert of_jobs(profile, "slurm_partition") == ("short", "short")
    assert "kind of GPU" not in words
    # Twelve hours, which two jobs share where they share an allocation.
    asked = profile["set-resources"]
    assert asked["ablation_pass"] == {"runtime": 720}
    assert asked["check_model"] == asked["baseline_pass"] == {"runtime": 360}
    assert words["longest job"][0] == "12 h"


def test_a_site_that_names_no_kinds_and_forgets_jobs(tmp_path, monkeypatch, template):
    play("plain", tmp_path, monkeypatch)
    found = choose(ask(), Wishes())
    words = said(found)
    assert words["GPU partition"] == ("main", "GPUs (2 on a node), 3 nodes, 6 h")
    assert (
        words["CPU partition"][0] == "main" and words["kind of GPU"][1] == "the site names no kinds"
    )
    assert "MinJobAge=200" in words["state of jobs"][1]
    profile = yaml.safe_load(fill(template, found))
    assert of_jobs(profile, "slurm_partition") == ("main", "main")
    assert profile["set-resources"]["networks_pass"] == {"runtime": 360}


def test_a_site_with_accounts(tmp_path, monkeypatch, template):
    play("accounts", tmp_path, monkeypatch)
    found = choose(ask(), Wishes())
    words = said(found)
    assert words["GPU partition"][0] == "gpu"
    assert words["account"] == ("biology", "partition gpu does not take your default, physics")
    assert words["QOS"] == ("gpu, normal", "the partitions do not take your default")
    assert words["longest job"] == (
        "8 h",
        "the limit of its QOS; work that takes longer goes on in the next job",
    )
    assert words["jobs at a time"][0] == "20" and words["reservation"] == (
        "none",
        "there are course",
    )
    profile = yaml.safe_load(fill(template, found))
    assert of_jobs(profile, "slurm_account") == ("biology", "biology")
    assert of_jobs(profile, "qos") == ("gpu", "normal")
    assert profile["jobs"] == 20
    assert profile["set-resources"]["attribution_pass"] == {"runtime": 480}


def test_wishes_are_granted_or_refused(tmp_path, monkeypatch, template):
    play("accounts", tmp_path, monkeypatch)
    site = ask()
    wishes = Wishes(qos="gpu", reservation="course", gpu_partition="gpu", account="biology")
    profile = yaml.safe_load(fill(template, choose(site, wishes)))
    assert of_jobs(profile, "qos") == ("gpu", "gpu")
    assert profile["slurm-reservation"] == "course"
    # All jobs go into the reservation, whose nodes are those of one partition.
    assert of_jobs(profile, "slurm_partition") == ("gpu", "gpu")
    wrong = refused(site, account="biologie", qos="gpus", reservation="curse", cpu_partition="x")
    for line in (
        "--account: this site has no 'biologie' for you (did you mean 'biology'?)",
        "--qos: this site has no 'gpus' for you (did you mean 'gpu'?)",
        "--reservation: this site has no 'curse' for you (did you mean 'course'?)",
        "--cpu-partition: this site has no 'x' for you (allowed: cpu, gpu, owners)",
    ):
        assert line in wrong.splitlines()


def test_a_default_account_is_left_to_slurm(template):
    """The plugin asks the data base about an account that is named, for each job."""
    own = [Association("lab"), Association("other")]
    found = choose(Site([CPU, GPU], own, "lab"), Wishes())
    assert said(found)["account"] == (
        "lab",
        "your default, which SLURM takes without being told; others: other",
    )
    assert "slurm_account" not in yaml.safe_load(fill(template, found))["default-resources"]
    found = choose(Site([CPU, GPU], own, "lab"), Wishes(account="other"))
    assert of_jobs(yaml.safe_load(fill(template, found)), "slurm_account") == ("other", "other")


def test_a_qos_that_only_one_partition_wants(template):
    own = [Association("lab", qos=["gpu", "normal"])]
    gpu = Partition("gpu", qos=["gpu"], **A100)
    profile = yaml.safe_load(fill(template, choose(Site([CPU, gpu], own, "lab"), Wishes())))
    assert of_jobs(profile, "qos") == ("gpu", "normal")
    cpu = Partition("cpu", nodes=1, qos=["normal"])
    profile = yaml.safe_load(fill(template, choose(Site([cpu, GPU], own, "lab"), Wishes())))
    assert of_jobs(profile, "qos") == ("normal", "normal")


def test_accounts_of_one_partition_and_qos_of_others():
    """As at sites where each partition has its own associations, and some a QOS that few have."""
    partitions = [
        CPU,
        Partition("priority", qos=["priority"], **{**A100, "total_gpus": 80}),
        Partition("owners", accounts=["others"], **{**A100, "total_gpus": 80}),
        GPU,
    ]
    own = [
        Association("lab_cpu", "cpu", ["normal"], "normal"),
        Association("lab_gpu", "gpu", ["normal"], "normal"),
        Association("lab_gpu", "priority", ["normal"], "normal"),
    ]
    words = said(choose(Site(partitions, own), Wishes()))
    assert words["GPU partition"][0] == "gpu"
    assert words["account"] == ("lab_gpu, lab_cpu", "partitions take different ones")
    assert said(choose(Site(partitions[:3], own), Wishes()))["GPU partition"] == (
        "none",
        "no partition has GPUs for you (priority, owners: not for your accounts and QOS): "
        "set execution.device: cpu in the study",
    )


def test_a_partition_is_chosen_for_its_time_then_its_gpus():
    def first(*partitions):
        return said(choose(Site([CPU, *partitions]), Wishes()))["GPU partition"][0]

    many = {**A100, "total_gpus": 80}
    assert first(Partition("short", minutes=60, **many), GPU) == "gpu"
    assert first(Partition("big", minutes=1440, **many), GPU) == "big", "no job takes a day"
    assert first(Partition("down", **{**many, "nodes": 0}), GPU) == "gpu"
    assert first(Partition("ended", preempted=True, **many), GPU) == "gpu"
    assert first(Partition("closed", closed="is drain", **many), GPU) == "gpu"


def test_a_short_queue_of_light_jobs_and_a_short_memory(template):
    site = Site(
        [Partition("cpu", minutes=60, nodes=1), GPU],
        [Association("lab", default_qos="low")],
        qos={"low": Limits(most_jobs=5)},
        remembered_s=30,
        accounting=True,
    )
    found = choose(site, Wishes())
    profile = yaml.safe_load(fill(template, found))
    assert profile["default-resources"]["runtime"] == 60
    assert profile["jobs"] == 5 and profile["slurm-status-command"] == "sacct"
    assert said(found)["state of jobs"][0] == "sacct"


def test_a_name_that_yaml_or_python_would_read_otherwise(template):
    site = Site([Partition("7-0", nodes=1), Partition("on", **A100)], [Association("1e3")])
    profile = yaml.safe_load(fill(template, choose(site, Wishes(reservation=None))))
    assert of_jobs(profile, "slurm_partition") == ("on", "7-0")
    assert of_jobs(profile, "slurm_account") == ("1e3", "1e3")


def test_a_kind_that_the_plugin_refuses_has_another_way():
    site = Site([CPU, Partition("gpu", gpus={"a100-80gb": 4, "a100-40gb": 4}, nodes=1)])
    assert "slurm_extra" in refused(site, gpu_model="a100-80gb")


def test_no_partition_at_all():
    assert "no partition takes your jobs" in refused(Site([Partition("x", closed="is down")]))


def test_durations():
    assert [duration(m) for m in (90, 720, 1440, 2880, 150)] == [
        "90 min",
        "12 h",
        "24 h",
        "2 days",
        "2.5 h",
    ]


def test_a_reservation_takes_all_jobs_unless_another_partition_is_named():
    site = Site([CPU, GPU], reservations=["course"])
    words = said(choose(site, Wishes(reservation="course")))
    assert words["reservation"] == ("course", "as you say, for all jobs")
    why = "all jobs go into the reservation; --cpu-partition names another"
    assert words["CPU partition"] == ("gpu", why)
    words = said(choose(site, Wishes(reservation="course", cpu_partition="cpu")))
    assert words["CPU partition"] == ("cpu", "as you say")


def test_what_speaks_against_a_named_partition_is_said():
    closed = Partition(
        "owners", closed="is for the groups staff", preempted=True, minutes=90, **A100
    )
    words = said(choose(Site([CPU, GPU, closed]), Wishes(gpu_partition="owners")))
    assert words["GPU partition"] == (
        "owners",
        "as you say; a100 (4 on a node), 2 nodes, 90 min, but it is for the groups staff, "
        "its jobs are ended for more important ones",
    )
    assert words["longest job"] == (
        "90 min",
        "the limit of partition owners; work that takes longer goes on in the next job",
    )


def test_the_partition_is_one_that_has_the_kind():
    small = Partition("small", gpus={"t4": 1}, nodes=9, total_gpus=9, minutes=9000)
    site = Site([CPU, small, GPU])
    assert said(choose(site, Wishes(gpu_model="a100")))["GPU partition"][0] == "gpu"
    wrong = refused(site, gpu_model="h100")
    assert wrong.startswith("--gpu-model: partition ") and "has no GPU of the kind 'h100'" in wrong
    # Where no partition has GPUs, none is of the kind.
    assert "partition cpu has no GPU of the kind 'a100'" in refused(Site([CPU]), gpu_model="a100")


@pytest.mark.parametrize("line", ["slurm_partition", "set-resources"])
def test_a_profile_that_has_no_place_for_a_choice_is_a_mistake_of_ours(template, line):
    short = Partition("gpu", minutes=60, **A100)
    text = template.replace(line, "another")
    with pytest.raises(
        ValueError, match=r"^0 (lines|places) of the profile are (about|for) " + line
    ):
        fill(text, choose(Site([CPU, short]), Wishes()))
