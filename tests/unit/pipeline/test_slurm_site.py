"""What a SLURM site says of itself: recorded answers of real clusters, and what they were set up to be."""

import math
from pathlib import Path

import pytest
from slurm_sites import play

from brodmann.pipeline.slurm import site
from brodmann.pipeline.slurm.site import Association, Limits, ask, gpus, minutes


@pytest.mark.parametrize(
    ("gres", "expected"),
    [
        ("(null)", {}),
        ("", {}),
        ("gpu:4", {"": 4}),
        ("gpu", {"": 1}),
        ("gpu:a100", {"a100": 1}),
        ("gpu:a100:4(S:0-1)", {"a100": 4}),
        ("gpu:a100:2(S:0,2),gpu:v100:2(S:1)", {"a100": 2, "v100": 2}),
        ("nvme:1T,gpu:rtx_pro_6000_blackwell:8,shard:h100:16", {"rtx_pro_6000_blackwell": 8}),
        ("gpu:1g.10gb:7", {"1g.10gb": 7}),
        ("mps:100", {}),
    ],
)
def test_gpus_of_a_node(gres, expected):
    assert gpus(gres) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("infinite", math.inf),
        ("UNLIMITED", math.inf),
        ("n/a", math.inf),
        ("", math.inf),
        ("30", 30),
        ("30:00", 30),
        ("12:00:00", 720),
        ("1-00:00:00", 1440),
        ("2-12", 3600),
        ("2-12:30", 3630),
        ("00:00:30", 0.5),
    ],
)
def test_times(text, expected):
    assert minutes(text) == expected


def partitions(found):
    return {one.name: one for one in found.partitions}


def test_a_site_with_kinds_of_gpus(tmp_path, monkeypatch):
    play("kinds", tmp_path, monkeypatch)
    found = ask()
    by_name = partitions(found)
    assert list(by_name) == ["cpu", "debug", "gpu", "scavenge", "old"]
    assert [name for name, one in by_name.items() if one.default] == ["cpu"]
    gpu = by_name["gpu"]
    # node2, with four of its A100, takes no jobs.
    assert (gpu.gpus, gpu.nodes, gpu.total_gpus) == ({"a100": 4, "v100": 2}, 2, 6)
    assert (gpu.minutes, by_name["debug"].minutes, by_name["cpu"].minutes) == (2880, 30, 1440)
    assert [name for name, one in by_name.items() if one.preempted] == ["scavenge", "old"]
    assert [name for name, one in by_name.items() if one.closed] == ["old"]
    assert not by_name["cpu"].gpus and by_name["cpu"].nodes == 2
    assert (found.remembered_s, found.accounting, found.reservations) == (300, False, [])
    assert [line.partition(":")[0] for line in found.unknown] == ["accounts and QOS"]


def test_a_site_without_gpus(tmp_path, monkeypatch):
    play("none", tmp_path, monkeypatch)
    by_name = partitions(ask())
    assert {name: one.minutes for name, one in by_name.items()} == {"short": 720, "long": 10080}
    assert not any(one.gpus for one in by_name.values())


def test_a_site_that_names_no_kinds(tmp_path, monkeypatch):
    play("plain", tmp_path, monkeypatch)
    found = ask()
    [main] = found.partitions
    assert (main.gpus, main.nodes, main.total_gpus, main.default) == ({"": 2}, 3, 4, True)
    assert found.remembered_s == 60


def test_a_site_with_accounts(tmp_path, monkeypatch):
    play("accounts", tmp_path, monkeypatch)
    found = ask()
    assert found.accounting and not found.unknown and found.default_account == "physics"
    assert found.reservations == ["course"]
    by_name = partitions(found)
    assert (by_name["gpu"].accounts, by_name["gpu"].qos) == (["biology"], ["gpu", "urgent"])
    assert by_name["cpu"].takes("physics") and not by_name["gpu"].takes("physics")
    own = {one.account: one for one in found.associations}
    assert own["biology"].qos == ["gpu", "normal"] and own["biology"].most_jobs == math.inf
    assert own["physics"].qos == ["normal"]
    assert found.qos["gpu"] == Limits(480, 20) and found.qos["normal"] == Limits()


def test_accounts_that_hold_in_one_partition():
    answer = "here|lab|a100|debug,long|debug|12\nelsewhere|lab||normal||\nshort line|x\n"
    [found] = site.associations(answer, "Here")
    assert found == Association("lab", "a100", ["debug", "long"], "debug", 12)
    assert len(site.associations(answer, "")) == 2


def test_partitions_for_others_are_closed():
    nodes = site.with_nodes("a|up|1:00:00|1|gpu:1|idle\nb|up|1:00:00|1|gpu:1|down*\n")
    rules = (
        "PartitionName=a AllowGroups=wheel,staff DenyAccounts=guest QoS=own MaxTime=00:30:00\n"
        "PartitionName=b AllowGroups=ALL ReqResv=YES PreemptMode=GANG,SUSPEND\n"
    )
    a, b = site.with_rules(nodes, rules, ["students"])
    assert a.closed == "is for the groups wheel, staff" and a.own_qos == "own" and a.minutes == 30
    assert a.takes("lab") and not a.takes("guest")
    assert b.closed == "takes reservations only" and b.preempted and b.nodes == 0
    assert not site.with_rules(nodes, rules, ["staff"])[0].closed


def test_without_slurm_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = ask()
    assert found == site.Site(unknown=["partitions: sinfo is not there"])


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_controller_that_does_not_answer_is_not_waited_for(tmp_path, monkeypatch):
    program(tmp_path, "sinfo", "exec /bin/sleep 60")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(site, "_PATIENCE_S", 0.2)
    [line] = ask().unknown
    assert line == "partitions: sinfo does not answer within 0 s"


def test_a_data_base_that_is_down_leaves_the_rest(tmp_path, monkeypatch):
    play("accounts", tmp_path, monkeypatch)
    down = "echo 'sacctmgr: error: Problem talking to the database: Connection refused' >&2; exit 1"
    program(tmp_path, "sacctmgr", down)
    found = ask()
    assert len(found.partitions) == 3 and not found.associations
    assert found.unknown[0] == (
        "accounts: sacctmgr says: error: Problem talking to the database: Connection refused"
    )
    assert len(found.unknown) == 3


def test_a_partition_for_root_is_open_to_root(monkeypatch):
    nodes = site.with_nodes("a|up|1:00:00|1|gpu:1|idle\n")
    for number, closed in ((1000, "is for root"), (0, "")):
        monkeypatch.setattr(site.os, "getuid", lambda own=number: own)
        [found] = site.with_rules(nodes, "PartitionName=a RootOnly=YES\n", [])
        assert found.closed == closed


def test_a_user_whom_the_data_base_does_not_know(tmp_path, monkeypatch):
    play("accounts", tmp_path, monkeypatch)
    program(tmp_path, "sacctmgr", "exit 0")
    found = ask()
    assert found.accounting and not found.associations and found.default_account == ""
    assert found.unknown == ["accounts: SLURM knows none of root"]
