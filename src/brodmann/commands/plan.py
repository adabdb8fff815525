"""``brodmann plan``: what each stage of each model will need, in a table."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from brodmann.capacity import resources, sharing
from brodmann.capacity.plan import GB, ModelPlan, batch_taken, find_size, plan
from brodmann.capacity.wall import jobs_of, shards_of, wall_minutes
from brodmann.commands.common import loaded, number, study_arguments
from brodmann.config.study import Study
from brodmann.errors import UserError, did_you_mean
from brodmann.models.cache import Cache
from brodmann.pipeline.time_left import spoken
from brodmann.places import ROOT

# Numbers of GPUs that wall times are printed for.
GPUS = (1, 8, 64)
# GB of one, as clusters have them.
USUAL = 80.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, directory=True)
    size = number("a number above 0", lambda value: 0 < value < math.inf)
    add = parser.add_argument
    add("--model", nargs="+", metavar="NAME", help="of the config (default: all)")
    add("--cpu", action="store_true", help="as if there were no GPU")
    add("--gpu-memory", type=size, metavar="GB", help=f"of one GPU (default {USUAL:g})")
    add("--gpu", metavar="KIND", help="times as on this kind of GPU (H100, H200)")
    says = "how long a job may take, e.g. in a partition (default: a day)"
    minutes = number("a number of at least 1", lambda value: 1 <= value < math.inf)
    add("--job-minutes", type=minutes, default=resources.LONGEST, metavar="N", help=says)
    add(
        "--measured",
        action="store_true",
        help="beside the peaks of a study that ran on the CPU here",
    )
    says = "measure this machine for a few seconds first; later plans know, too"
    add("--calibrate", action="store_true", help=says)


def run(options: argparse.Namespace) -> int:
    """Print a table for each model."""
    study = loaded(options).study
    names = options.model or study.run_models
    for name in names:
        if name not in study.run_models:
            raise UserError.at(
                "--model", f"no model '{name}'", did_you_mean(name, study.run_models)
            )
    on_cpu = options.cpu or options.measured
    if options.calibrate:
        on_cpu = _calibrate(study, names, on_cpu)
    plans = plan(
        study,
        names,
        data=study.tasks.data(ROOT),
        on_cpu=on_cpu,
        gpu_gb=options.gpu_memory or USUAL,
        gpu_kind=options.gpu,
        job_minutes=options.job_minutes,
    )
    for found in plans:
        print(table(found, measured=options.measured, shards=shards_in(study, found)))
    print(*wall_times(study, plans), sep="\n", end="")
    if any(found.gpus for found in plans) and options.gpu_memory is None:
        says = "Planned for GPUs of {:g} GB, whatever this machine has (--gpu-memory GB; --cpu: for its CPU)."
        print(says.format(USUAL))
    return 0


def shards_in(study: Study, found: ModelPlan) -> dict[str, int]:
    """Stage -> jobs that share it on a cluster, if any is shared."""
    counts = {stage.stage: shards_of(study, stage) for stage in found.stages if stage.gpus}
    return counts if max(counts.values(), default=1) > 1 else {}


def wall_times(study: Study, plans: Sequence[ModelPlan]) -> Iterator[str]:
    """Lines that say how long models take on several GPUs, each and all together; none on the CPU."""
    rows = [(one.entry.name, jobs_of(study, [one])) for one in plans]
    rows = [(name, jobs) for name, jobs in rows if jobs]
    if not rows:
        return
    if len(rows) > 1:
        rows.append(("all models", jobs_of(study, plans)))
    head = ["with shards", *(f"{gpus} GPU{'s' if gpus > 1 else ''}" for gpus in GPUS), "jobs"]
    cells = [head]
    for name, jobs in rows:
        walls = (wall_minutes(jobs, gpus) for gpus in GPUS)
        said = ["-" if wall is None else spoken(60 * max(1.0, wall)) for wall in walls]
        cells.append([name, *said, str(len(jobs))])
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        rest = (cell.rjust(width) for cell, width in zip(row[1:], wide[1:], strict=True))
        yield "  ".join([row[0].ljust(wide[0]), *rest])
    about = (
        f"jobs of about {study.execution.job_minutes} min, longer where loading would take a tenth"
    )
    yield f"{about} (execution.job_minutes)"
    yield (
        "until the last of these jobs has ended; every shard loads the model, so that a stage in shards "
        "takes longer on 1 GPU than above\n"
    )


def _calibrate(study: Study, names: Sequence[str], on_cpu: bool) -> bool:
    """Measure how fast models of these sizes run here; whether that is on the CPU, as it is without a GPU."""
    import torch

    from brodmann.capacity.calibration import calibrate

    cache = Cache(study.execution.cache)
    sizes = [find_size(study.model(name), cache, Path("results")).widths for name in names]
    wants_gpu = not on_cpu and any(study.gpus_of(name) for name in names)
    on_gpu = wants_gpu and torch.cuda.is_available()
    what = "the GPU" if on_gpu else "the CPU, as there is no GPU" if wants_gpu else "the CPU"
    print(f"Measuring this machine: {what}", file=sys.stderr)
    calibrate(cache, {one.hidden: one for one in sizes}.values(), "cuda" if on_gpu else "cpu")
    return not on_gpu


def table(
    found: ModelPlan, *, measured: bool = False, shards: Mapping[str, int] | None = None
) -> str:
    """A model's plan in lines of text. ``shards``: stage -> jobs that share it; none is shared without."""
    shards = shards or {}
    size, entry = found.size, found.entry
    where = f"{found.gpu_bytes / GB:g} GB GPUs" if found.gpus else "the CPU"
    shown = f"{_parameters(size.parameters)} parameters"
    if size.active is not None:
        shown += f" ({_parameters(size.active)} for each token)"
    shown += f" of {size.width} bytes, weights {_show(size.held('cuda' if found.gpus else 'cpu'))}"
    if size.packing is not None and size.packed is not None:
        shown += f" ({size.packing.name}; packed {_show(size.packed)})"
    if size.widths.states:
        states = size.widths.states * size.widths.layers * 4
        shown += f", recurrent states {_show(states)} for each text"
    if found.refused:
        return "\n".join(
            [f"{entry.name}: {shown}", *(f"  models.{entry.name}: {why}" for why in found.refused)]
        )
    lines = [f"{entry.name}: {shown}; on {where}"]
    head = ["stage", "one text", "a batch", "gathered", "GPUs", "time"]
    head += [*(["shards"] if shards else []), "mem_mb", "runtime"]
    rows = [head + (["predicted", "measured"] if measured else [])]
    for stage in found.stages:
        memory, jobs = stage.memory, shards.get(stage.stage, 1)
        runtime = resources.runtime_minutes(stage.time.of(jobs), limit=found.job_minutes)
        row = [
            stage.stage,
            _show(memory.least),
            _show(batch_taken(stage, found.gpu_bytes)),
            _show(memory.gathered),
            str(stage.gpus),
            spoken(60 * stage.time.minutes),
            *([str(jobs)] if shards else []),
            str(stage.mem_mb),
            f"{runtime} min",
        ]
        if measured:
            peak = "-" if stage.measured is None else _show(stage.measured)
            row += [_show(memory.process), peak]
        rows.append(row)
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            row[0].ljust(wide[0]),
            *(c.rjust(w) for c, w in zip(row[1:], wide[1:], strict=True)),
        ]
        lines.append("  " + "  ".join(cells))
    together = sum(60 * stage.time.minutes for stage in found.stages)
    lines.append(f"  all stages: about {spoken(max(60.0, together))} ({found.basis})")
    lines += [f"  {line}" for line in _resubmissions(found, shards)]
    if found.advice:
        lines.append(f"  models.{entry.name}: {found.advice}")
    if (gpus := max(found.gpus, entry.gpus)) > 1 and found.gpus:
        lines.append(f"  models.{entry.name}: {sharing.advice(size, gpus)}")
    return "\n".join(lines)


def _resubmissions(found: ModelPlan, shards: Mapping[str, int]) -> Iterator[str]:
    """How often the jobs that need longer than queues take are ended and submitted again."""
    limit = found.job_minutes
    for stage in found.stages:
        jobs = stage.time.jobs(limit)
        if jobs == 1 or shards.get(stage.stage, 1) > 1:
            continue
        if jobs is None:
            yield f"{stage.stage}: {limit:g} min do not suffice: loading the model takes as long"
            continue
        rounds = math.ceil(jobs / (1 + resources.RETRIES))
        again = f", in {rounds} runs of the same command" if rounds > 1 else ""
        times = "once" if jobs == 2 else f"{jobs - 1} times"
        yield (
            f"{stage.stage}: ended at {limit:g} min and submitted again {times}{again}"
            f" (retries: {resources.RETRIES}); each goes on where the last was"
        )


def _parameters(count: int) -> str:
    return f"{count / 1e9:.3g} B" if count >= 1e9 else f"{count / 1e6:.3g} M"


def _show(size: int) -> str:
    return f"{size / GB:.1f} GB" if size >= 0.95e9 else f"{size / 1e6:.0f} MB"
