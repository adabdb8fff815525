"""What a profile says of a site: chosen from what the site offers and what the user wants, with reasons."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import yaml

from brodmann.errors import Problem, UserError, did_you_mean
from brodmann.pipeline.slurm import LONGEST
from brodmann.pipeline.slurm.site import Association, Limits, Partition, Site

# Minutes that jobs which need no GPU ask for (profiles/slurm).
_LIGHT = 120
# Snakemake looks at its jobs every three minutes at least; a job that SLURM has forgotten by then is lost.
_LOOKS_S = 200
# Jobs in the queue at a time, if the site does not say less.
_JOBS = 50


@dataclass(frozen=True)
class Wishes:
    """What the user says instead of leaving it to us."""

    gpu_partition: str | None = None
    cpu_partition: str | None = None
    account: str | None = None
    qos: str | None = None
    reservation: str | None = None
    gpu_model: str | None = None


@dataclass(frozen=True)
class Choice:
    """One thing that was decided, and why."""

    what: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"{self.what:<14} {self.value:<16} {self.why}".rstrip()


@dataclass(frozen=True)
class Choices:
    """All of it, and the lines of the profile that say it."""

    choices: Sequence[Choice]
    settings: Mapping[str, str]
    """Key of the profile -> its value, as YAML."""
    longest: float
    """Minutes that a job with a GPU may take."""


def choose(site: Site, wishes: Wishes) -> Choices:
    """Decide; an error for every wish that the site cannot grant."""
    _refuse_unknown(site, wishes)
    wanted = wishes.account
    open_ = [
        one for one in site.partitions if not one.closed and _accounts(site, one, wanted) != []
    ]
    gpu, why_gpu = _gpu_partition(site, wishes, open_)
    cpu, why_cpu = _cpu_partition(site, wishes, open_, gpu)
    gpu = gpu or cpu
    choices = [
        Choice("GPU partition", gpu.name if gpu.gpus else "none", why_gpu),
        Choice("CPU partition", cpu.name, why_cpu),
    ]
    settings = {"slurm_partition": _either(gpu.name, cpu.name)}
    if gpu.gpus or wishes.gpu_model:
        choices.append(_kind(gpu, wishes, settings))
    account = _account(site, wishes, gpu, cpu, choices, settings)
    qos = _qos(site, wishes, account, gpu, cpu, choices, settings)
    if wishes.reservation:
        settings["slurm-reservation"] = json.dumps(wishes.reservation)
        choices.append(Choice("reservation", wishes.reservation, "as you say, for all jobs"))
    elif site.reservations:
        choices.append(Choice("reservation", "none", f"there are {', '.join(site.reservations)}"))
    longest = _longest(gpu, site, qos[0], choices)
    if (least := _limit(cpu, site, qos[1])) < _LIGHT:
        settings["runtime"] = str(int(least))
    _jobs(site, account[0], qos, choices, settings)
    _status(site, choices, settings)
    return Choices(choices, settings, longest)


def fill(profile: str, found: Choices) -> str:
    """The text of profiles/slurm with the lines of the site in place of the examples."""
    for key, value in found.settings.items():
        pattern = rf"^( *)(?:# )?{re.escape(key)}: .*$"
        profile, count = re.subn(pattern, rf"\g<1>{key}: {_quoted(value)}", profile, flags=re.M)
        if count != 1:
            raise ValueError(f"{count} lines of the profile are about {key}")
    # Jobs that share an allocation share its time.
    members = [rule.split("=") for rule in yaml.safe_load(profile)["groups"]]
    size = Counter(group for _, group in members)
    most = {rule: found.longest / size[group] for rule, group in members}
    lines = [f"  {rule}: {{runtime: {int(m)}}}" for rule, m in most.items() if m < LONGEST]
    if not lines:
        return profile
    pattern = r"^# set-resources:\n(?:#   .*\n)+"
    block = "\n".join(["set-resources:", *lines, ""])
    profile, count = re.subn(pattern, _quoted(block), profile, flags=re.M)
    if count != 1:
        raise ValueError(f"{count} places of the profile are for set-resources")
    return profile


def _quoted(text: str) -> str:
    """For the replacement of a regular expression."""
    return text.replace("\\", "\\\\")


def _refuse_unknown(site: Site, wishes: Wishes) -> None:
    names = [one.name for one in site.partitions]
    accounts = [one.account for one in site.associations]
    lists: list[tuple[str, str | None, Iterable[str] | None]] = [
        ("--gpu-partition", wishes.gpu_partition, names),
        ("--cpu-partition", wishes.cpu_partition, names),
        ("--account", wishes.account, accounts or None),
        ("--qos", wishes.qos, site.qos or None),
        ("--reservation", wishes.reservation, site.reservations),
    ]
    problems = []
    for option, wish, known in lists:
        if wish and known is not None and wish not in known:
            fix = did_you_mean(wish, known)
            problems.append(Problem(option, f"this site has no '{wish}' for you", fix))
    if problems:
        raise UserError(*problems)


def _gpu_partition(
    site: Site, wishes: Wishes, open_: Sequence[Partition]
) -> tuple[Partition | None, str]:
    """That of jobs that load a model, and why; None where no partition has GPUs."""
    if wishes.gpu_partition:
        named = _named(site, wishes.gpu_partition)
        return named, f"as you say; {_about(named)}"
    found = [one for one in open_ if one.gpus]
    if wishes.gpu_model:
        found = [one for one in found if wishes.gpu_model in one.gpus] or found
    if not found:
        others = [f"{one.name} {one.closed}" for one in site.partitions if one.gpus and one.closed]
        if names := [one.name for one in site.partitions if one.gpus and not one.closed]:
            others.append(f"{', '.join(names)}: not for your accounts and QOS")
        more = f" ({'; '.join(others)})" if others else ""
        return None, f"no partition has GPUs for you{more}: set execution.device: cpu in the study"

    def order(one: Partition) -> tuple[bool, float, bool, int, bool]:
        longest = -min(one.minutes, LONGEST)
        return one.nodes == 0, longest, one.preempted, -one.total_gpus, not one.default

    first, *rest = sorted(found, key=order)
    more = f"; others: {', '.join(one.name for one in rest)}" if rest else ""
    return first, _about(first) + more


def _cpu_partition(
    site: Site, wishes: Wishes, open_: Sequence[Partition], gpu: Partition | None
) -> tuple[Partition, str]:
    """That of jobs that need no GPU, and why."""
    if wishes.cpu_partition:
        return _named(site, wishes.cpu_partition), "as you say"
    if wishes.reservation and gpu is not None:
        return gpu, "all jobs go into the reservation; --cpu-partition names another"

    def order(one: Partition) -> tuple[bool, bool, float, bool, bool]:
        longest = -min(one.minutes, _LIGHT)
        return one.nodes == 0, bool(one.gpus), longest, one.preempted, not one.default

    if not open_:
        raise UserError.at("sinfo", "no partition takes your jobs", "ask the site's administrators")
    first = min(open_, key=order)
    if first.gpus:
        return first, "every partition has GPUs; these jobs ask for none"
    return first, "the site's default, without GPUs" if first.default else "without GPUs"


def _named(site: Site, name: str) -> Partition:
    return next(one for one in site.partitions if one.name == name)


def _about(one: Partition) -> str:
    """What it has, in a few words."""
    kinds = [f"{kind or 'GPUs'} ({most} on a node)" for kind, most in sorted(one.gpus.items())]
    words = [", ".join(kinds) or "no GPUs", f"{one.nodes} node{'s' * (one.nodes != 1)}"]
    words.append("no limit of time" if math.isinf(one.minutes) else duration(one.minutes))
    if one.closed:
        words.append(f"but it {one.closed}")
    if one.preempted:
        words.append("its jobs are ended for more important ones")
    return ", ".join(words)


def duration(minutes: float) -> str:
    """``90`` -> ``1.5 h``"""
    if minutes < 120:
        return f"{minutes:g} min"
    return f"{minutes / 60:g} h" if minutes < 48 * 60 else f"{minutes / 1440:g} days"


def _kind(gpu: Partition, wishes: Wishes, settings: dict[str, str]) -> Choice:
    """Of GPU: any, unless the user says which."""
    kinds = sorted(kind for kind in gpu.gpus if kind)
    wish = wishes.gpu_model
    if wish is None:
        if len(kinds) > 1:
            why = f"there are {', '.join(kinds)}; their memory is not known: --gpu-model names one"
        else:
            why = f"there is one kind, {kinds[0]}" if kinds else "the site names no kinds"
        return Choice("kind of GPU", "any", why)
    if wish not in kinds:
        what = f"partition {gpu.name} has no GPU of the kind '{wish}'"
        raise UserError.at("--gpu-model", what, did_you_mean(wish, kinds))
    if not re.fullmatch(r"[A-Za-z0-9_.]+", wish):
        what = f"Snakemake's plugin takes no '{wish}': only letters, digits, _ and ."
        fix = f"""write slurm_extra: "'--gpus={wish}:1'" for the rules under set-resources"""
        raise UserError.at("--gpu-model", what, fix)
    settings["gpu_model"] = json.dumps(f"{wish!r} if threads > 1 else ''")
    return Choice("kind of GPU", wish, "as you say")


def _accounts(site: Site, partition: Partition, wanted: str | None) -> list[str] | None:
    """The user's accounts that the partition takes, the default first; None where none is known."""
    if not site.associations:
        return None
    found = [
        one.account
        for one in site.associations
        if one.partition in ("", partition.name)
        and partition.takes(one.account)
        and (not partition.qos or not one.qos or set(partition.qos) & set(one.qos))
        and wanted in (None, one.account)
    ]
    return sorted(dict.fromkeys(found), key=lambda name: name != site.default_account)


def _account(
    site: Site,
    wishes: Wishes,
    gpu: Partition,
    cpu: Partition,
    choices: list[Choice],
    settings: dict[str, str],
) -> tuple[str, str]:
    """Who is charged for jobs with and without GPUs; nothing where that is not known."""
    default = site.default_account
    found = [_accounts(site, one, wishes.account) or [] for one in (gpu, cpu)]
    on_gpu = wishes.account or next(iter(found[0]), default)
    on_cpu = on_gpu if on_gpu in found[1] or not found[1] else found[1][0]
    value = on_gpu if on_gpu == on_cpu else f"{on_gpu}, {on_cpu}"
    others = ", ".join(name for name in found[0] if name != on_gpu)
    if not on_gpu:
        why = "it is not known whether jobs need one: --account names one"
    elif wishes.account:
        why = "as you say"
    elif on_gpu != on_cpu:
        why = "partitions take different ones"
    elif on_gpu == default:
        why = "your default, which SLURM takes without being told"
    else:
        why = f"partition {gpu.name} does not take your default, {default}"
        why = why if default else "you have no default"
    why += f"; others: {others}" if others else ""
    choices.append(Choice("account", value or "none named", why))
    # The plugin asks the data base about a named account, once for each job that it submits.
    if on_gpu and on_cpu and {on_gpu, on_cpu} != {default}:
        settings["slurm_account"] = json.dumps(_python(on_gpu, on_cpu))
    return on_gpu, on_cpu


def _qos(
    site: Site,
    wishes: Wishes,
    account: tuple[str, str],
    gpu: Partition,
    cpu: Partition,
    choices: list[Choice],
    settings: dict[str, str],
) -> tuple[str, str]:
    """That of jobs with and without GPUs, as far as it is known."""
    if wishes.qos:
        settings["qos"] = json.dumps(repr(wishes.qos))
        choices.append(Choice("QOS", wishes.qos, "as you say"))
        return wishes.qos, wishes.qos
    own, others = ([one for one in site.associations if one.account == name] for name in account)
    (on_gpu, named_gpu), (on_cpu, named_cpu) = _qos_of(own, gpu), _qos_of(others, cpu)
    if named_gpu or named_cpu:
        # Who names one for some jobs has to name one for all.
        on_gpu, on_cpu = on_gpu or _usual(own) or on_cpu, on_cpu or _usual(others) or on_gpu
        settings["qos"] = json.dumps(_python(on_gpu, on_cpu))
        value = on_gpu if on_gpu == on_cpu else f"{on_gpu}, {on_cpu}"
        choices.append(Choice("QOS", value, "the partitions do not take your default"))
    elif own:
        names = sorted({name for one in own for name in one.qos})
        why = f"you may use {', '.join(names)}: --qos names one" if len(names) > 1 else ""
        choices.append(Choice("QOS", on_gpu or "the site's", "your default" + (why and "; " + why)))
    return on_gpu, on_cpu


def _qos_of(own: Sequence[Association], partition: Partition) -> tuple[str, bool]:
    """The QOS of jobs in the partition, and whether they have to name it."""
    mine = [one for one in own if one.partition in ("", partition.name)]
    default = next((one.default_qos for one in mine if one.default_qos), "")
    if not partition.qos or default in partition.qos:
        return default, False
    allowed = [name for one in mine for name in one.qos if name in partition.qos]
    return (allowed[0], True) if allowed else (default, False)


def _usual(own: Sequence[Association]) -> str:
    """What SLURM takes where no default is set."""
    names = [name for one in own for name in one.qos]
    return "normal" if "normal" in names else next(iter(names), "")


def _limit(partition: Partition, site: Site, qos: str) -> float:
    """The longest a job may run, in minutes."""
    own = (site.qos.get(name, Limits()).minutes for name in (qos, partition.own_qos))
    return min(partition.minutes, *own)


def _longest(gpu: Partition, site: Site, qos: str, choices: list[Choice]) -> float:
    limit = _limit(gpu, site, qos)
    if limit >= LONGEST:
        why = "no limit" if math.isinf(limit) else f"the limit is {duration(limit)}"
        why += "; no job asks for more than a day"
        choices.append(Choice("longest job", "as estimated", why))
    else:
        owner = f"partition {gpu.name}" if limit == gpu.minutes else "its QOS"
        why = f"the limit of {owner}; work that takes longer goes on in the next job"
        choices.append(Choice("longest job", duration(limit), why))
    return limit


def _jobs(
    site: Site,
    account: str,
    qos: tuple[str, str],
    choices: list[Choice],
    settings: dict[str, str],
) -> None:
    own = [one.most_jobs for one in site.associations if one.account == account]
    most = min([*own, *(site.qos.get(name, Limits()).most_jobs for name in qos)], default=math.inf)
    if most < _JOBS:
        settings["jobs"] = str(int(most))
        choices.append(Choice("jobs at a time", str(int(most)), "you may submit no more"))


def _status(site: Site, choices: list[Choice], settings: dict[str, str]) -> None:
    """How Snakemake asks for the state of its jobs."""
    kept = site.remembered_s
    if kept is None:
        return
    why = f"SLURM remembers a job for {kept} s after its end"
    if kept >= _LOOKS_S:
        choices.append(Choice("state of jobs", "squeue", why))
    elif site.accounting:
        settings["slurm-status-command"] = "sacct"
        choices.append(Choice("state of jobs", "sacct", f"{why}, too short for squeue"))
    else:
        why += " and keeps no accounts: Snakemake may wait for jobs that are gone; "
        why += f"ask for MinJobAge={_LOOKS_S}"
        choices.append(Choice("state of jobs", "squeue", why))


def _either(gpu: str, cpu: str) -> str:
    """As YAML: a Python expression that tells jobs that load a model by their threads."""
    return json.dumps(_python(gpu, cpu))


def _python(gpu: str, cpu: str) -> str:
    return repr(gpu) if gpu == cpu else f"{gpu!r} if threads > 1 else {cpu!r}"
