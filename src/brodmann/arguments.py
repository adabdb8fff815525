"""The command line of ``brodmann``: its commands and what they are given."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping

import brodmann
from brodmann.config.localizer import POOLINGS
from brodmann.tasks.items import WORDINGS

DESCRIPTION = "``brodmann``: small helpers around the workflow; the work itself is Snakemake's."


def _number(what: str, within: Callable[[float], bool]) -> Callable[[str], float]:
    """A type of arguments: a number that ``within`` holds for."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not within(value):
            raise argparse.ArgumentTypeError(f"must be {what}, not '{text}'")
        return value

    return read


_share = _number("a share above 0 and below 1", lambda value: 0 < value < 1)
_temperature = _number("a number from 0 up", lambda value: 0 <= value < math.inf)
_size = _number("a number above 0", lambda value: 0 < value < math.inf)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 up, not '{text}'")
    return int(text)


def parser(runs: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """``runs``: what each command does."""
    whole = argparse.ArgumentParser(prog="brodmann", description=DESCRIPTION)
    whole.add_argument("--version", action="version", version=f"brodmann {brodmann.__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        # A shortened option may be another one's name: --config is not --configfile.
        sub = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        sub.set_defaults(run=runs[name])
        return sub

    def study(name: str, help: str, *, tasks: bool = False) -> argparse.ArgumentParser:
        """A command that reads a config. One that names ``tasks`` takes a file after each --configfile."""
        sub = command(name, help)
        action, nargs = ("append", None) if tasks else ("extend", "+")
        says = f"as for snakemake{'; several: once for each' if tasks else ''}"
        for option, value in (("--configfile", "FILE"), ("--config", "KEY=VALUE")):
            sub.add_argument(
                option, action=action, nargs=nargs, default=[], metavar=value, help=says
            )
        return sub

    check = study("check", "Check the config and every task it selects; all problems at once.")
    check.add_argument("files", nargs="*", metavar="FILE", help="as after --configfile")
    study("tasks", "List the tasks that the config selects.")
    where = command("where", "Say where the report and the figures of a finished run are.")
    where.add_argument("--directory", default=".", help="as for snakemake")
    audit = study(
        "audit", "Look for flaws in tasks' items: shortcuts, misaligned tokens.", tasks=True
    )
    audit.add_argument("tasks", nargs="*", help="globs over domain/task (default: all)")
    audit.add_argument("-n", type=int, default=1000, help="items per task (default 1000)")
    audit.add_argument("--table", help="write the tables to this Markdown file")
    show = study("items", "Show the first items of a task as models get them.", tasks=True)
    show.add_argument("task", help="domain/name")
    show.add_argument("-n", type=int, default=3, help="how many (default 3)")
    profile = command("profile", "Copy a profile to where snakemake --profile NAME finds it.")
    profile.add_argument("action", choices=["install"])
    profile.add_argument("name", help="a folder of profiles/: slurm, multi-gpu, local")
    profile.add_argument("--force", action="store_true", help="replace an earlier copy")
    lm = study("export-lm-eval", "Write tasks for lm-evaluation-harness.", tasks=True)
    lm.add_argument("tasks", nargs="+", metavar="TASK_GLOB", help="globs over domain/task")
    lm.add_argument("--out", required=True, metavar="DIR", help="new, empty, or an earlier export")
    lm.add_argument("--format", choices=WORDINGS, default="completion", help="default: completion")
    lm.add_argument("--items", type=_positive, metavar="N", help="per task (default: the config's)")
    lm.add_argument("--seed", type=int, metavar="S", help="of the items (default: the config's)")
    plan = study("plan", "Say what every stage of every model needs: memory, GPUs, time.")
    plan.add_argument("--model", nargs="+", metavar="NAME", help="of the config (default: all)")
    plan.add_argument("--cpu", action="store_true", help="as if there were no GPU")
    plan.add_argument(
        "--gpu-memory", type=_size, default=80.0, metavar="GB", help="of one GPU (default 80)"
    )
    plan.add_argument(
        "--measured",
        action="store_true",
        help="beside the peaks of a study that ran on the CPU here",
    )
    text = study("generate", "Continue a prompt: intact, lesioned, randomly lesioned.")
    text.add_argument(
        "--model", required=True, help="of the config, or a source (hf:ORG/NAME, ...)"
    )
    text.add_argument("--mask", required=True, metavar="CSV", help="units: columns layer and unit")
    text.add_argument("--prompt", required=True)
    text.add_argument("--tokens", type=_positive, default=20, metavar="N", help="default 20")
    text.add_argument("--temperature", type=_temperature, default=0.0, help="default 0: greedy")
    text.add_argument("--seed", type=int, default=42, help="of sampling and random units: 42")
    brain = study("align", "Export units' activations, and predict recordings by them.")
    brain.add_argument("--model", required=True, help="of the config, or a source (hf:ORG/NAME)")
    brain.add_argument("--mask", required=True, metavar="CSV", help="units: columns layer and unit")
    brain.add_argument("--stimuli", required=True, help=".txt, or .csv with text (and group)")
    brain.add_argument("--voxels", metavar="CSV", help="recordings: a row per stimulus")
    brain.add_argument("--out", required=True, metavar="DIR", help="where the tables go")
    brain.add_argument("--pooling", choices=POOLINGS, default="last-token")
    brain.add_argument("--folds", type=_positive, default=5, metavar="N", help="default 5")
    brain.add_argument(
        "--seeds", type=int, nargs="+", default=[42, 43, 44], help="of random units: 42 43 44"
    )
    cut = study("prune", "Save a model without the neurons that belong to no network.")
    cut.add_argument("--model", required=True, help="of the config, or a source (hf:ORG/NAME, ...)")
    cut.add_argument("--ratio", type=_share, required=True, help="share of neurons that goes")
    cut.add_argument("--out", required=True, metavar="DIR", help="new or empty")
    cut.add_argument(
        "--dataset", default="corpus:encyclopedia", help="of the config, or a source of texts"
    )
    cut.add_argument("--samples", type=_positive, default=100, metavar="N", help="default 100")
    cut.add_argument("--components", type=_positive, default=10, metavar="K", help="per layer: 10")
    cut.add_argument("--also", type=_share, nargs="*", default=[], help="ratios to measure only")
    cut.add_argument("--seeds", type=int, nargs="*", default=[0], help="of random pruning: 0")
    cut.add_argument("--whole-ends", action="store_true", help="keep the first 3 and last 2 layers")
    cut.add_argument("--compensate", action="store_true", help="by biases, where there are any")
    return whole
