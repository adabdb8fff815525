"""``brodmann plan``: what each stage of each model will need, in a table."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from brodmann.capacity import resources
from brodmann.capacity.plan import GB, ModelPlan, batch_taken, find_size, plan
from brodmann.commands.common import ROOT, loaded, number, study_arguments
from brodmann.config.study import Study
from brodmann.errors import UserError, did_you_mean
from brodmann.models.cache import Cache
from brodmann.pipeline.time_left import spoken


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, directory=True)
    size = number("a number above 0", lambda value: 0 < value < math.inf)
    add = parser.add_argument
    add("--model", nargs="+", metavar="NAME", help="of the config (default: all)")
    add("--cpu", action="store_true", help="as if there were no GPU")
    add("--gpu-memory", type=size, default=80.0, metavar="GB", help="of one GPU (default 80)")
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
    plans = plan(study, names, data=ROOT / "data", on_cpu=on_cpu, gpu_gb=options.gpu_memory)
    for found in plans:
        print(table(found, measured=options.measured))
    return 0


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


def table(found: ModelPlan, *, measured: bool = False) -> str:
    """A model's plan in lines of text."""
    size, entry = found.size, found.entry
    where = f"{found.gpu_bytes / GB:g} GB GPUs" if found.gpus else "the CPU"
    shown = f"{_parameters(size.parameters)} parameters"
    if size.active is not None:
        shown += f" ({_parameters(size.active)} for each token)"
    shown += f" of {size.width} bytes, weights {_show(size.bytes)}"
    if found.refused:
        return "\n".join(
            [f"{entry.name}: {shown}", *(f"  models.{entry.name}: {why}" for why in found.refused)]
        )
    lines = [f"{entry.name}: {shown}; on {where}"]
    head = ["stage", "one text", "a batch", "gathered", "GPUs", "time", "mem_mb", "runtime"]
    rows = [head + (["predicted", "measured"] if measured else [])]
    for stage in found.stages:
        memory = stage.memory
        row = [
            stage.stage,
            _show(memory.least),
            _show(batch_taken(stage, found.gpu_bytes)),
            _show(memory.gathered),
            str(stage.gpus),
            _duration(stage.time, found.calibrated),
            str(stage.mem_mb),
            f"{stage.runtime} min",
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
    together = sum(60 * (stage.time.loading + stage.time.working) for stage in found.stages)
    basis = (
        "as measured here"
        if found.calibrated
        else "brodmann plan --calibrate measures this machine"
    )
    lines.append(f"  all stages: about {spoken(max(60.0, together))} ({basis})")
    lines += [f"  {line}" for line in _resubmissions(found)]
    if found.advice:
        lines.append(f"  models.{entry.name}: {found.advice}")
    return "\n".join(lines)


def _resubmissions(found: ModelPlan) -> Iterator[str]:
    """How often the jobs that need longer than queues take are ended and submitted again."""
    for stage in found.stages:
        jobs = stage.time.submissions
        if jobs == 1:
            continue
        rounds = math.ceil(jobs / (1 + resources.RETRIES))
        again = f", in {rounds} runs of the same command" if rounds > 1 else ""
        times = "once" if jobs == 2 else f"{jobs - 1} times"
        yield (
            f"{stage.stage}: ended at {resources.LONGEST} min and submitted again {times}{again}"
            f" (retries: {resources.RETRIES}); each goes on where the last was"
        )


def _duration(time: resources.Time, calibrated: bool) -> str:
    """In seconds only where they were measured."""
    seconds = 60 * (time.loading + time.working)
    return spoken(seconds if calibrated else 60 * math.ceil(seconds / 60))


def _parameters(count: int) -> str:
    return f"{count / 1e9:.3g} B" if count >= 1e9 else f"{count / 1e6:.3g} M"


def _show(size: int) -> str:
    return f"{size / GB:.1f} GB" if size >= 0.95e9 else f"{size / 1e6:.0f} MB"
