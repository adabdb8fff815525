"""The GPU check: is it right, how fast is it, and what limits it, on one GPU and without internet.

    python tests/gpu/check.py --out FOLDER                 (see docs/performance.md)
    python tests/gpu/check.py --out FOLDER --cpu --small   tries every section on the CPU, in tiny sizes

Prints a line per figure, and writes check.txt and check.json into FOLDER after every section. A section that
fails is noted with its traceback, and the next is run.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

# Before anything of torch, transformers or the hub is imported: nothing waits for a network.
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")
STARTED = time.perf_counter()

ROOT = Path(__file__).resolve().parents[2]
# This folder's modules are imported as ``gpu.X``: by themselves their names might be taken for others'.
sys.path[:] = [
    place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent
]
for folder in (ROOT / "src", ROOT / "tests"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import torch  # noqa: E402
from gpu.clock import Budget  # noqa: E402
from gpu.report import Report  # noqa: E402


@dataclass(frozen=True)
class Setting:
    """What every section is told."""

    device: torch.device
    small: bool
    tokenizer: Path | None
    out: Path


def right(report: Report, budget: Budget, setting: Setting) -> None:
    """a. Every stage of eight families, against the CPU."""
    from gpu import right as section

    section.right(report, budget, setting.device.type, setting.small)


def attribution(report: Report, budget: Budget, setting: Setting) -> None:
    """b. Baseline and attribution of 46 tasks on an 8 B shape."""
    from gpu import circuits

    circuits.attribution(report, budget, setting)


def ablation(report: Report, budget: Budget, setting: Setting) -> None:
    """c. Ablation of 46 circuits on tasks of four domains."""
    from gpu import circuits

    circuits.ablation(report, budget, setting)


def large(report: Report, budget: Budget, setting: Setting) -> None:
    """d. A 32 B shape, and its peak memory against the plan's."""
    from gpu import large as section

    section.large(report, budget, setting)


def maps(report: Report, budget: Budget, setting: Setting) -> None:
    """e. Localizers, extraction, CanICA, IoU."""
    from gpu import maps as section

    section.maps(report, budget, setting)


def loading(report: Report, budget: Budget, setting: Setting) -> None:
    """f. Start-up, and loading from a local disk."""
    from gpu import loading as section

    section.loading(report, budget, setting)


def ingredients(report: Report, budget: Budget, setting: Setting) -> None:
    """g. What an engine is made of, and profiles of two batches."""
    from gpu import ingredients as section

    section.ingredients(report, budget, setting)


def packed(report: Report, budget: Budget, setting: Setting) -> None:
    """h. Quantised weights as the device keeps them, against plain ones."""
    from gpu import packed as section

    section.packed(report, budget, setting.device.type, setting.small)


# In the order of their importance, each with its share of the time; those of one model stand together.
SECTIONS = {
    right: 80,
    attribution: 110,
    ablation: 90,
    ingredients: 45,
    large: 70,
    maps: 40,
    loading: 45,
    packed: 30,
}
NAMES = tuple(run.__name__ for run in SECTIONS)


def main() -> None:
    options = _options()
    warnings.filterwarnings("ignore", category=FutureWarning)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(max(1, min(16, os.cpu_count() or 1)))
    device = torch.device("cpu" if options.cpu else "cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("no CUDA device: --cpu --small tries the check on the CPU")
    from gpu import machine

    report = Report(options.out.resolve(), machine.facts(device))
    report.facts["small"] = options.small
    for name, value in report.facts.items():
        print(f"{name}: {value}", flush=True)
    setting = Setting(device, options.small, options.tokenizer, options.out.resolve())
    whole = Budget(options.seconds - (time.perf_counter() - STARTED))
    shares = sum(SECTIONS[run] for run in SECTIONS if run.__name__ in options.sections)
    for run, share in SECTIONS.items():
        name = run.__name__
        if name not in options.sections:
            continue
        budget = whole.part(max(share, options.seconds * share / shares))
        if budget.seconds < 5:
            report.end(name, 0.0, f"left out: {whole.left:.0f} s of {options.seconds} s are left")
            continue
        print(f"\n{name} ({budget.seconds:.0f} s): {run.__doc__}", flush=True)
        error = ""
        try:
            run(report, budget, setting)
        except BaseException as problem:
            if isinstance(problem, KeyboardInterrupt):
                raise
            error = traceback.format_exc()
        report.end(name, budget.used, error)
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    report.facts["seconds"] = round(time.perf_counter() - STARTED, 1)
    report.write()
    print(f"\n{report.table}\n{report.facts['seconds']} s, {report.folder}", flush=True)
    sys.exit(1 if report.failed else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for what is found")
    parser.add_argument("--sections", default=",".join(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument("--seconds", type=float, default=480, help="for all sections together")
    parser.add_argument("--cpu", action="store_true", help="run on the CPU")
    parser.add_argument("--small", action="store_true", help="tiny sizes")
    parser.add_argument(
        "--tokenizer", type=Path, help="folder of a tokenizer with a chat template (gpu-wheels)"
    )
    options = parser.parse_args()
    options.sections = tuple(name for name in options.sections.split(",") if name)
    if unknown := set(options.sections) - set(NAMES):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if (
        not options.small
        and options.tokenizer is None
        and (ROOT / "gpu-wheels" / "tokenizer").is_dir()
    ):
        options.tokenizer = ROOT / "gpu-wheels" / "tokenizer"
    if options.tokenizer is None and not options.small:
        parser.error("no tokenizer: make gpu-bundle, and carry gpu-wheels along")
    return options


if __name__ == "__main__":
    main()
