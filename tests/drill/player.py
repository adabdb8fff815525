"""Jobs of a finished study, run again one by one in processes of their own, with a fault in each.

The study's clone notes what Snakemake hands to its scripts (``record_jobs``). ``Player.play`` runs one
such job as Snakemake would: the same script, the same inputs, in the study's folder. A fault strikes at a
*write*: when the job opens a file for writing, makes a folder, renames, removes, or waits for the disk,
below ``results/``. So the moment is the same in every run, and every moment can be tried, without a hook
in the code.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import re
import runpy
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from brodmann import places
from brodmann.figures.registry import families
from brodmann.statistics.registry import JOBS

# What the jobs import, once for all of them.
PRELOADED = [
    *("numpy", "pandas", "scipy.stats", "statsmodels.api", "sklearn.cluster", "seaborn", "torch"),
    *("transformers", "nnsight", "brodmann.models.load", "brodmann.report.compose", "snakemake"),
    # Imported late, but by many jobs: seconds each time.
    *("accelerate", "torch._dynamo", "transformers.models.llama.modeling_llama"),
    *("matplotlib.backends.backend_pdf", "fontTools.subset", "brodmann.statistics.stages.surface"),
    *(
        *(f"brodmann.figures.{name}" for name in ("draw", "chord", "localized", "networks")),
        "brodmann.statistics.stages.structure",
        "brodmann.circuits.stages.ablation",
    ),
]
_RECORDER = """    import pickle as _pickle
    _jobs = Path(".jobs")
    _jobs.mkdir(exist_ok=True)
    _name = "-".join([snakemake.rule, *map(str, snakemake.wildcards)]).replace("/", "_")
    (_jobs / f"{_name}.pickle").write_bytes(_pickle.dumps(snakemake))
"""
MODEL = "tiny"
_REFUSED = {"full": errno.ENOSPC, "readonly": errno.EROFS}
_WRITING = ("os.rename", "os.remove", "os.mkdir", "os.truncate")


@dataclass(frozen=True)
class Job:
    """What one script was called with."""

    rule: str
    snakemake: object
    script: Path  # relative to the study

    @property
    def inputs(self) -> list[str]:
        return list(map(str, self.snakemake.input))

    @property
    def outputs(self) -> list[str]:
        return list(map(str, self.snakemake.output))


@dataclass(frozen=True)
class Fault:
    """What happens at the ``at``-th write: ``kill`` (-9), ``torn`` (killed, and a third of what the
    file holds is lost), ``full`` or ``readonly`` (the disk, from then on)."""

    kind: str
    at: int


@dataclass(frozen=True)
class Outcome:
    """How a job ended: exit code (-9: killed), what it printed and logged, how many writes it came to.

    ``stored``: at which of them records of which file of a store were made durable.
    """

    code: int
    text: str
    log: str
    writes: int
    stored: list[tuple[int, str]]

    @property
    def errors(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.startswith("ERROR: ")]


def record_jobs(clone) -> None:
    """Make the clone's scripts note what they are called with."""
    job = "src/brodmann/pipeline/job.py"
    clone.replace(job, "    terminal = sys.stderr\n", f"{_RECORDER}    terminal = sys.stderr\n")


def recorded(study: Path) -> dict[str, list[Job]]:
    """Rule -> its jobs; first those of the model that is in the study to stay."""
    jobs: dict[str, list[Job]] = {}
    scripts = scripts_of(study)
    for path in sorted((study / ".jobs").glob("*.pickle")):
        snakemake = pickle.loads(path.read_bytes())  # made by this test
        script = Path("workflow/scripts") / scripts[snakemake.rule]
        jobs.setdefault(snakemake.rule, []).append(Job(snakemake.rule, snakemake, script))
    for own in jobs.values():
        own.sort(key=lambda job: job.snakemake.wildcards.get("model", MODEL) != MODEL)
    return jobs


def scripts_of(root: Path) -> dict[str, str]:
    """Rule -> its script, of every rule that has one."""
    found = {family.rule: "figure.py" for family in families()}
    found |= {job.rule: "statistic_tables.py" for job in JOBS}
    for path in sorted((root / "rules").rglob("*.smk")):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]:
            rule = re.split(r"\n(?=\S)", rule)[0]  # what follows unindented is not the rule's
            if script := re.search(r'script:\s+"(?:\.\./)+workflow/scripts/(\S+)"', rule):
                found[rule.partition(":")[0]] = script[1]
    return found


class Player:
    """Runs jobs in children of a server that has imported everything."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)

    def play(self, job: Job, study: Path, fault: Fault | None = None) -> Outcome:
        reader, writer = self._context.Pipe(duplex=False)
        child = self._context.Process(target=_run, args=(job, str(study), fault, writer))
        child.start()
        writer.close()
        child.join(300)
        assert child.exitcode is not None, f"{job.rule} hangs"
        try:
            writes, stored = reader.recv()
        except EOFError:  # killed before it could say
            writes, stored = 0, []
        reader.close()
        text = (study / ".played").read_text(encoding="utf-8", errors="replace")
        log = study / str(job.snakemake.log[0])
        logged = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        return Outcome(child.exitcode, text, logged, writes, stored)


def _run(job: Job, study: str, fault: Fault | None, writes) -> None:
    """In the child: the script, with its output in ``.played``; the exit code is the script's."""
    os.chdir(study)
    _move_in(Path(study))
    out = os.open(".played", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(out, stream)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(out), "w", 1) for _ in range(2))
    code = 0
    trap = _Trap(Path(study).resolve(), fault)
    try:
        with trap:
            runpy.run_path(str(job.script), init_globals={"snakemake": job.snakemake})
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 70
    writes.send((trap.count, trap.stored))
    writes.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _move_in(study: Path) -> None:
    """The package that runs here is that of the tests; a study's own finds tasks around itself."""
    here = places.ROOT
    for module in [one for name, one in sys.modules.items() if name.startswith("brodmann.")]:
        if getattr(module, "ROOT", None) == here:
            module.ROOT = study


class _Trap:
    """Counts the job's writes and strikes at one of them."""

    def __init__(self, study: Path, fault: Fault | None) -> None:
        self.fault, self.count, self._on = fault, 0, False
        self.stored: list[tuple[int, str]] = []
        self._below = f"{study}/results/"
        self._fsync = os.fsync

    def __enter__(self) -> None:
        self._on = True
        sys.addaudithook(self._hear)
        os.fsync = self._sync

    def __exit__(self, *_) -> None:
        self._on = False
        os.fsync = self._fsync

    def _hear(self, event: str, arguments: tuple) -> None:
        if not self._on:
            return
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                return
        elif event in _WRITING:
            path = arguments[0]
        else:
            return
        named = isinstance(path, str | bytes | os.PathLike)
        if named and str(Path.cwd() / os.fsdecode(path)).startswith(self._below):
            self._strike(None)

    def _sync(self, number: int) -> None:
        self._strike(number)
        path = str(Path(f"/proc/self/fd/{number}").readlink())
        if path.endswith(".open"):
            self.stored.append((self.count, path))
        self._fsync(number)

    def _strike(self, number: int | None) -> None:
        self.count += 1
        if self.fault is None or self.count < self.fault.at:
            return
        if self.fault.kind in _REFUSED:  # and so it stays
            number = _REFUSED[self.fault.kind]
            raise OSError(number, os.strerror(number))
        if self.fault.kind == "torn" and number is not None:
            os.ftruncate(number, os.fstat(number).st_size * 2 // 3)
        os.kill(os.getpid(), signal.SIGKILL)
