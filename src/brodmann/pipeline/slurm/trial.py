"""A short job through a profile, submitted as a model's jobs are: what a node sees, before hours of work."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import yaml
from snakemake.common import get_appdirs

from brodmann.errors import Problem, UserError, one_line
from brodmann.files import read_text
from brodmann.models.cache import Cache
from brodmann.pipeline.cluster import cancel_leftovers, leftovers
from brodmann.pipeline.slurm.node import Node, Place
from brodmann.provenance import software

# What SLURM's reasons mean for a user, by how they begin; others speak for themselves.
_REASONS = {
    "Resources": "the nodes that it asks for are busy",
    "Priority": "other jobs come first",
    "PartitionTimeLimit": "it asks for more time than the partition allows",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows",
    "PartitionDown": "the partition is down",
    "ReqNodeNotAvail": "the nodes that it asks for are down or reserved",
    "Reservation": "its reservation has not begun",
    "InvalidQOS": "the QOS is not allowed there",
    "InvalidAccount": "the account is not allowed there",
    "AccountNotAllowed": "the account is not allowed there",
    "QOS": "a limit of the QOS is reached",
    "Assoc": "a limit of the account is reached",
    "BadConstraints": "no node has all that it asks for",
}
_POLL_S = 3.0
# What a line of a job's log says, where it says what went wrong.
_TELLING = re.compile(r"[Ee]rror: \S|[Ff]atal|[Dd]enied|not found|[Kk]illed")


@dataclass(frozen=True)
class Trial:
    """What is to be tried."""

    profile: str
    """As after ``snakemake --profile``."""
    snakefile: Path
    cache: str | None
    """``execution.cache`` of the study."""
    gpus: int
    """That the study's models ask for: 1, or 0 if they run on the CPU."""
    patience_s: float


def run(trial: Trial, say: Callable[[str], None]) -> Node:
    """Submit the job, wait for it, and return what it saw; an error says why there is nothing.

    ``say``: told of every change of the job's state, so that nobody waits in silence.
    """
    _refuse_other_profiles(trial.profile)
    study = Path.cwd()
    cache = Cache(trial.cache).root
    with _marked(cache, study) as mark, _folder(study) as folder:
        given = {
            "gpu": trial.gpus,
            "python": sys.executable,
            "study": str(study),
            "cache": trial.cache or "",
            "mark": mark,
        }
        command = [sys.executable, "-m", "snakemake", "--profile", trial.profile]
        command += ["--workflow-profile", "none", "--snakefile", str(trial.snakefile)]
        command += ["--directory", str(folder), "--retries", "0"]
        command += ["--slurm-init-seconds-before-status-checks", "5"]
        # In no group: what sbatch says of the jobs of a group, Snakemake keeps to itself.
        command += ["--groups", "none=none"]
        command += ["--config", *(f"{key}={json.dumps(value)}" for key, value in given.items())]
        log = study / "logs" / "check_cluster.log"
        log.parent.mkdir(exist_ok=True)
        _wait(command, folder, log, trial.patience_s, say)
        return Node.read(folder / "node.json")


def verdict(node: Node, trial: Trial) -> tuple[list[str], list[Problem]]:
    """What to tell of it, and what of that keeps a study from running as it should."""
    problems: list[Problem] = []
    told = [
        f"node: {node.name}{node.partition and f' of partition {node.partition}'}, {node.cpus} CPUs"
    ]
    told.append(f"GPU: {_gpus(node, trial, problems)}")
    told.append(f"torch: {_torch(node, problems)}")
    own_cache = Cache(trial.cache).root
    for name, place in node.places.items():
        told.append(f"{name}: {_place(name, place, problems)}")
    if node.places["cache"].path != str(own_cache):
        what = f"the node takes {node.places['cache'].path}, this host {own_cache}"
        problems.append(Problem("cache", what, "set execution.cache in the study"))
    told.append(f"packages: {_differences(node.software, software(), problems)}")
    return told, problems


def _gpus(node: Node, trial: Trial, problems: list[Problem]) -> str:
    if node.gpus:
        return ", ".join(f"{name}, {memory / 1e9:.0f} GB" for name, memory in node.gpus)
    if trial.gpus == 0:
        return f"none, and none was asked for{_driver(node)}"
    if node.torch.error and node.torch.version:
        problems.append(Problem("GPU", f"torch cannot use it: {node.torch.error}{_driver(node)}"))
    elif node.driver_gpus and not node.torch.cuda:
        what = f"torch {node.torch.version} is a build without CUDA{_driver(node)}"
        fix = "make setup TORCH_BACKEND=..., see GPU in README.md"
        problems.append(Problem("GPU", what, fix))
    elif node.driver_gpus:
        what = f"torch {node.torch.version} (CUDA {node.torch.cuda}) sees none{_driver(node)}"
        problems.append(Problem("GPU", what, "is the driver older than that CUDA?"))
    else:
        what = f"node {node.name} has none, though one was asked for: models would run on its CPU"
        fix = "choose the partition of jobs that load a model; or execution.device: cpu"
        problems.append(Problem("GPU", what, fix))
    return "none that torch can use"


def _driver(node: Node) -> str:
    return f" (the driver sees {'; '.join(node.driver_gpus)})" if node.driver_gpus else ""


def _torch(node: Node, problems: list[Problem]) -> str:
    if not node.torch.version:
        problems.append(Problem("torch", f"cannot be imported there: {node.torch.error}"))
        return "cannot be imported"
    return (
        f"{node.torch.version}, {f'CUDA {node.torch.cuda}' if node.torch.cuda else 'for the CPU'}"
    )


def _place(name: str, place: Place, problems: list[Problem]) -> str:
    if not place.reached:
        what = f"{place.path} of this host is not reached from the node"
        fix = "it must lie on a file system that all nodes see"
        if name == "cache":
            fix += ": set execution.cache or BRODMANN_CACHE"
        problems.append(Problem(name, what, fix))
        return f"{place.path}, not reached"
    if not place.writable:
        problems.append(Problem(name, f"{place.path} cannot be written from the node"))
    words = "writable" if place.writable else "not writable"
    return f"{place.path}, {words}, {place.free_bytes / 1e9:.0f} GB free"


def _differences(
    there: Mapping[str, object], here: Mapping[str, object], problems: list[Problem]
) -> str:
    """Between what is installed there and here."""

    def flat(of: Mapping[str, object]) -> dict[str, object]:
        packages = of.get("packages")
        return {**of, **(packages if isinstance(packages, dict) else {}), "packages": None}

    theirs, ours = flat(there), flat(here)
    found = [
        f"{name} {theirs.get(name)} there, {ours.get(name)} here"
        for name in dict.fromkeys([*ours, *theirs])
        if theirs.get(name) != ours.get(name)
    ]
    if not found:
        return f"brodmann {ours['brodmann']} and what it needs are the same as here"
    fix = "clone and .venv must lie on a file system that all nodes see"
    problems.append(Problem("packages", "; ".join(found), fix))
    return "not the same as here"


def _refuse_other_profiles(name: str) -> None:
    """Before Snakemake is started with a profile that submits nothing."""
    dirs = get_appdirs()
    folders = [Path(name), Path(dirs.user_config_dir, name), Path(dirs.site_config_dir, name)]
    file = next((f / "config.yaml" for f in folders if (f / "config.yaml").is_file()), None)
    if file is None:
        fix = "brodmann profile install slurm, or --profile profiles/slurm"
        raise UserError.at("--profile", f"there is no profile '{name}'", fix)
    try:
        said = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        raise UserError.at(str(file), f"is not YAML: {error}") from None
    if not isinstance(said, dict) or said.get("executor") != "slurm":
        raise UserError.at(str(file), "is no profile of SLURM (no 'executor: slurm')")
    if shutil.which("sbatch") is None:
        raise UserError.at("sbatch", "is not there", "start this where you can submit jobs")


@contextmanager
def _marked(*places: Path) -> Iterator[str]:
    """Leave a file of one name in every place, by which a node shows that it sees the same folder."""
    mark = f".brodmann-seen-{uuid4().hex}"
    try:
        for place in places:
            try:
                place.mkdir(parents=True, exist_ok=True)
                (place / mark).touch()
            except OSError as error:
                what = f"cannot be written: {error.strerror}"
                fix = "for weights, set execution.cache or BRODMANN_CACHE to a folder that can"
                raise UserError.at(str(place), what, fix) from None
        yield mark
    finally:
        for place in places:
            with suppress(OSError):
                (place / mark).unlink()


@contextmanager
def _folder(study: Path) -> Iterator[Path]:
    """A folder for the job below the study's, as nodes see no other; gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix=".brodmann-check-", dir=study))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _wait(
    command: list[str], folder: Path, log: Path, patience_s: float, say: Callable[[str], None]
) -> None:
    """Until Snakemake has ended; an error if it fails, or takes too long."""
    end = time.monotonic() + patience_s
    state = ""
    with open(log, "w", encoding="utf-8") as words:
        process = subprocess.Popen(
            command, stdout=words, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        while process.poll() is None:
            time.sleep(_POLL_S)
            if (now := _state(folder)) and now != state:
                state = now
                say(state)
            if time.monotonic() > end:
                what = f"no answer after {patience_s:.0f} s: {state or 'no job was submitted yet'}"
                fix = f"it is cancelled; --wait SECONDS waits longer; see {log}"
                raise UserError.at("check --cluster", what, fix)
    finally:
        _stop(process, folder)
    if process.returncode != 0:
        raise UserError.at("check --cluster", *_failure(folder, log))


def _state(folder: Path) -> str:
    """Of the job in the queue, in words; nothing while there is none."""
    found = leftovers(folder)
    if not found:
        return ""
    asked = ["squeue", "--noheader", "--jobs", found[0], "--Format=State:32,NodeList:64,Reason:256"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    row = done.stdout.ljust(352)
    state, node, reason = row[:32].strip(), row[32:96].strip(), row[96:].strip()
    if state != "PENDING":
        return f"job {found[0]} is {state.lower()}{node and f' on {node}'}" if state else ""
    known = next((words for name, words in _REASONS.items() if reason.startswith(name)), "")
    return f"job {found[0]} waits in the queue, reason {reason}{known and f': {known}'}"


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End Snakemake, if it still runs, with its job."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # which makes it cancel the job
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    cancel_leftovers(folder, patience_s=20)


def _failure(folder: Path, log: Path) -> tuple[str, str]:
    """What went wrong, and where to read more."""
    words = log.read_text(encoding="utf-8", errors="replace")
    if refused := re.search(r"The error message was '(.*?)'\.?\s*\n", words, re.S):
        return f"sbatch refused the job: {one_line(refused[1])}", f"see {log}"
    if failed := re.search(r"submission failed with exception: (.*)", words):
        return f"the job was not submitted: {one_line(failed[1])}", f"see {log}"
    own = sorted((folder / ".snakemake" / "slurm_logs").rglob("*.log"))
    said = [line.strip() for file in own for line in file.read_text(errors="replace").splitlines()]
    with open(log, "a", encoding="utf-8") as more:
        more.writelines(f"{line}\n" for line in said)
    telling = [line for line in said if _TELLING.search(line)]
    last = [line for line in words.splitlines() if line.strip()]
    return (
        f"the job failed: {one_line((telling or said or last or ['no word of it'])[-1])}",
        f"see {log}",
    )
