"""What a SLURM site offers its user: partitions with GPUs and limits, accounts, QOS, reservations.

Asked in the formats that SLURM keeps for programs (``sinfo --format``, ``scontrol --oneliner``,
``sacctmgr --parsable2``). Its JSON changes from version to version.
"""

from __future__ import annotations

import getpass
import grp
import math
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

# A controller that is overloaded answers late; one that is down, never.
_PATIENCE_S = 20.0
# States of nodes that take no jobs until somebody mends them. A star behind a state: the node is silent.
_LOST = {"down", "drained", "draining", "fail", "failing", "error", "unknown", "inval", "future"}


@dataclass(frozen=True)
class Partition:
    """A queue, as this user sees it."""

    name: str
    default: bool = False
    closed: str = ""
    """Why it takes none of this user's jobs."""
    minutes: float = math.inf
    """The longest a job may run."""
    nodes: int = 0
    """That take jobs, now or when they are free."""
    gpus: Mapping[str, int] = field(default_factory=dict)
    """Kind -> how many a node has at most; the kind is empty where the site names none."""
    total_gpus: int = 0
    accounts: Sequence[str] = ()
    """Those that may use it; all, if it names none."""
    refused_accounts: Sequence[str] = ()
    qos: Sequence[str] = ()
    """Those that may be asked for in it; all, if it names none."""
    own_qos: str = ""
    """The QOS whose limits are the partition's."""
    preempted: bool = False
    """Whether jobs are ended for more important ones."""

    def takes(self, account: str) -> bool:
        """Whether jobs of the account may use it."""
        return account not in self.refused_accounts and account in (self.accounts or (account,))


@dataclass(frozen=True)
class Association:
    """What a user may submit under one account; in one partition, if it names one."""

    account: str
    partition: str = ""
    qos: Sequence[str] = ()
    default_qos: str = ""
    most_jobs: float = math.inf
    """In the queue at a time."""


@dataclass(frozen=True)
class Limits:
    """Of a QOS."""

    minutes: float = math.inf
    most_jobs: float = math.inf


@dataclass(frozen=True)
class Site:
    """All that was found out."""

    partitions: Sequence[Partition] = ()
    associations: Sequence[Association] = ()
    default_account: str = ""
    qos: Mapping[str, Limits] = field(default_factory=dict)
    reservations: Sequence[str] | None = None
    remembered_s: int | None = None
    """How long SLURM remembers a job that has ended (MinJobAge)."""
    accounting: bool = False
    unknown: Sequence[str] = ()
    """What could not be found out, and why: a line each."""


def ask() -> Site:
    """Ask SLURM; what it does not answer is in ``unknown``."""
    unknown: list[str] = []

    def answer(about: str, *command: str) -> str:
        try:
            return _run(*command)
        except _Unanswered as error:
            unknown.append(f"{about}: {error}")
            return ""

    nodes = answer("partitions", "sinfo", "--noheader", "--format=%P|%a|%l|%D|%G|%T")
    if not nodes:  # no SLURM, or none that answers: no use in asking on
        return Site(unknown=unknown)
    rules = answer("who may use partitions", "scontrol", "--oneliner", "show", "partition")
    groups = [_group_name(number) for number in os.getgroups()]
    partitions = with_rules(with_nodes(nodes), rules, groups)
    config = settings(answer("SLURM's settings", "scontrol", "show", "config"))
    reservations = answer("reservations", "scontrol", "--oneliner", "show", "reservation")
    site = Site(
        partitions=partitions,
        reservations=re.findall(r"\bReservationName=(\S+)", reservations),
        remembered_s=_leading_number(config.get("MinJobAge", "")),
        accounting=config.get("AccountingStorageType", "").endswith("slurmdbd"),
        unknown=unknown,
    )
    if not site.accounting:
        unknown.append("accounts and QOS: the site keeps no accounts (no slurmdbd)")
        return site
    asked = ("sacctmgr", "--noheader", "--parsable2", "show")
    user = getpass.getuser()
    columns = "format=Cluster,Account,Partition,QOS,DefaultQOS,MaxSubmitJobs"
    own = answer("accounts", *asked, "associations", f"user={user}", columns)
    default = answer("the default account", *asked, "user", user, "format=DefaultAccount")
    qos = answer("limits of QOS", *asked, "qos", "format=Name,MaxWall,MaxSubmitJobsPerUser")
    found = associations(own, config.get("ClusterName", ""))
    if own == "" == default and not any(line.startswith("accounts:") for line in unknown):
        unknown.append(f"accounts: SLURM knows none of {user}")
    return replace(
        site,
        associations=found,
        default_account=next(iter(default.split()), ""),
        qos=limits(qos),
    )


def with_nodes(answer: str) -> list[Partition]:
    """Partitions of ``sinfo --format=%P|%a|%l|%D|%G|%T``: a row for all nodes that are alike."""
    found: dict[str, Partition] = {}
    for row in _rows(answer, 6):
        title, open_, longest, nodes, gres, state = row
        name = title.rstrip("*")
        old = found.get(name) or Partition(
            name,
            default=title.endswith("*"),
            closed="" if open_ == "up" else f"is {open_}",
            minutes=minutes(longest),
        )
        lost = state.endswith("*") or state.rstrip("~#!%$@^-+") in _LOST
        count = 0 if lost else int(nodes)
        kinds = gpus(gres)
        most = {k: max(old.gpus.get(k, 0), kinds.get(k, 0)) for k in (*old.gpus, *kinds)}
        total = old.total_gpus + count * sum(kinds.values())
        found[name] = replace(old, nodes=old.nodes + count, gpus=most, total_gpus=total)
    return list(found.values())


def with_rules(found: Sequence[Partition], answer: str, groups: Sequence[str]) -> list[Partition]:
    """The same with what ``scontrol --oneliner show partition`` says of who may use them."""
    rules = {}
    for line in answer.splitlines():
        said = dict(re.findall(r"(\w+)=(\S*)", line))
        rules[said.get("PartitionName", "")] = said
    return [_with_rule(partition, rules.get(partition.name, {}), groups) for partition in found]


def _with_rule(partition: Partition, said: Mapping[str, str], groups: Sequence[str]) -> Partition:
    def names(key: str) -> list[str]:
        value = said.get(key, "ALL")
        return [] if value in ("ALL", "(null)", "N/A", "") else value.split(",")

    closed = partition.closed
    if said.get("RootOnly") == "YES" and os.getuid() != 0:
        closed = closed or "is for root"
    if said.get("ReqResv") == "YES":
        closed = closed or "takes reservations only"
    if (only := names("AllowGroups")) and not set(only) & set(groups):
        closed = closed or f"is for the groups {', '.join(only)}"
    own_qos = said.get("QoS", "N/A")
    return replace(
        partition,
        closed=closed,
        minutes=min(partition.minutes, minutes(said.get("MaxTime", ""))),
        accounts=names("AllowAccounts"),
        refused_accounts=names("DenyAccounts"),
        qos=names("AllowQos"),
        own_qos="" if own_qos in ("N/A", "(null)") else own_qos,
        preempted=said.get("PreemptMode", "OFF").split(",")[-1] not in ("OFF", "GANG"),
    )


def gpus(gres: str) -> dict[str, int]:
    """Kind -> number of ``gpu:a100:4(S:0-1),gpu:v100:2,nvme:1``; no kind: ``gpu:4``."""
    found: dict[str, int] = {}
    for item in re.sub(r"\([^)]*\)", "", gres).split(","):
        name, *rest = item.strip().split(":")
        if name != "gpu":
            continue
        count = int(rest.pop()) if rest and rest[-1].isdecimal() else 1
        kind = rest[0] if rest else ""
        found[kind] = found.get(kind, 0) + count
    return found


def minutes(text: str) -> float:
    """SLURM's way to write a time (``2-12:00:00``, ``12:00:00``, ``30:00``, ``30``); infinite without one."""
    said = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if said is None:
        return math.inf
    days, *parts = (None if part is None else int(part) for part in said.groups())
    given = [part for part in parts if part is not None]
    if days is not None:  # days-hours[:minutes[:seconds]]
        hours, mins, seconds = (*given, 0, 0)[:3]
    elif len(given) == 3:
        hours, mins, seconds = given
    else:  # minutes[:seconds]
        hours, (mins, seconds) = 0, (*given, 0)[:2]
    return (days or 0) * 1440 + hours * 60 + mins + seconds / 60


def settings(answer: str) -> dict[str, str]:
    """``scontrol show config``: a setting in each line."""
    return dict(re.findall(r"^(\w+)\s*=[ \t]*(.*?)\s*$", answer, re.M))


def associations(answer: str, cluster: str) -> list[Association]:
    """``sacctmgr --parsable2 show associations`` of a user; those of this cluster."""
    found = []
    for row in _rows(answer, 6):
        place, account, partition, qos, default_qos, most = row
        if cluster and place.lower() != cluster.lower():
            continue
        names = [name for name in qos.split(",") if name]
        found.append(Association(account, partition, names, default_qos, _most(most)))
    return found


def limits(answer: str) -> dict[str, Limits]:
    """``sacctmgr --parsable2 show qos``: name -> its limits."""
    return {name: Limits(minutes(wall), _most(most)) for name, wall, most in _rows(answer, 3)}


class _Unanswered(Exception):
    """Why a command said nothing."""


def _run(*command: str) -> str:
    if shutil.which(command[0]) is None:
        raise _Unanswered(f"{command[0]} is not there")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise _Unanswered(f"{command[0]} does not answer within {_PATIENCE_S:.0f} s") from None
    except OSError as error:
        raise _Unanswered(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise _Unanswered(f"{command[0]} says: {said[0].removeprefix(command[0] + ': ')}")
    return done.stdout


def _rows(answer: str, width: int) -> list[list[str]]:
    """The columns of every row that has as many as were asked for."""
    rows = [[cell.strip() for cell in line.split("|")] for line in answer.splitlines()]
    return [row for row in rows if len(row) == width]


def _most(text: str) -> float:
    return int(text) if text.isdecimal() else math.inf


def _leading_number(text: str) -> int | None:
    said = re.match(r"\d+", text)
    return int(said[0]) if said else None


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
