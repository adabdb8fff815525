"""Section *right*: every stage of tiny models of eight families, on the device against the CPU.

The study is that of the golden tests. The CPU runs it whole; the device is given the CPU's items, baselines,
masks and templates, so that both are asked the same, and every record of its passes is held against the CPU's
record of the same key: all numbers of it, relative to the largest.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from gpu.clock import Budget
from gpu.report import Report
from gpu.subject import ROOT
from scipy.stats import spearmanr

# Family -> a seed of its weights under which both tasks have a contrast, and so a circuit.
FAMILIES = {
    "llama": 5,
    "gemma2": 5,
    "qwen3": 7,
    "gpt2": 15,
    "gpt-neox": 8,
    "phi3": 14,
    "olmo2": 5,
    "falcon-new-decoder": 8,
}
ESTIMATORS = ("ig", "relp", "exact")
STUDY = ROOT / "tests" / "golden" / "study"
MODEL = "tiny"
NAMES = "attribution.json"  # the manifest of a side's attribution pass
TOLERANCE = 1e-4
# Maps of one decomposition and another are told apart by their correlation: ICA climbs from random starts.
SAME_MAP = 0.999


@dataclass
class Compared:
    """One stage's records on both sides."""

    error: float = 0.0  # largest difference, relative to the largest value of its array
    numbers: int = 0
    worst: str = ""
    alone: int = 0  # records that only one side has
    maps: float = 1.0  # smallest correlation of a decomposition's maps

    def add(self, name: str, expected: np.ndarray, found: np.ndarray) -> None:
        """Arrays of one record, by the name of what they are."""
        expected, found = np.asarray(expected, float), np.asarray(found, float)
        if expected.shape != found.shape:
            self.error, self.worst = np.inf, f"{name}: {expected.shape}, {found.shape}"
            return
        if not expected.size:
            return
        scale = max(np.abs(expected[np.isfinite(expected)]).max(initial=0.0), 1e-30)
        same = np.isfinite(expected) == np.isfinite(found)
        gap = np.abs(np.where(np.isfinite(expected), expected - found, 0.0)).max() / scale
        error = float(gap) if same.all() else np.inf
        self.numbers += expected.size
        if error > self.error:
            self.error, self.worst = error, name


@dataclass
class Side:
    """A folder in which one device runs the study of one model."""

    folder: Path
    device: str
    dtype: str = "float32"
    estimator: str = "patching"
    kept: Side | None = field(default=None)  # whose items, baselines, masks and templates are taken

    @property
    def own(self) -> Path:
        """The model's results."""
        return self.folder / "results" / MODEL

    def open(self, weights: Path) -> Any:
        """Lay out the study's files; returns the study."""
        from brodmann.config.load import load_config

        if not self.folder.is_dir():
            shutil.copytree(STUDY, self.folder, ignore=shutil.ignore_patterns("weights"))
            (self.folder / "weights").symlink_to(weights, target_is_directory=True)
            (self.folder / "stimuli").symlink_to(ROOT / "stimuli", target_is_directory=True)
        config = yaml.safe_load((STUDY / "config.yaml").read_text())
        config["models"][MODEL]["dtype"] = self.dtype
        config["attribution"]["estimator"] = self.estimator
        config["attribution"]["exact_units"] = 20
        if self.estimator != "patching":
            config["attribution"]["agreement"] = {"tasks": []}
        config["execution"] = {"device": self.device}
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        return load_config([path], root=self.folder).study


def run(side: Side, weights: Path, stages: tuple[str, ...]) -> None:
    """Run passes, and the light jobs that later passes read, in the side's folder."""
    from golden.passes import Files, the_passes

    from brodmann.pipeline import models

    study = side.open(weights)
    tasks = study.tasks.selected
    own = f"results/{MODEL}"
    files = Files.of(MODEL, tasks)
    with contextlib.chdir(side.folder):
        if side.kept is not None:
            for name in ("results/items", f"{own}/baseline", f"{own}/masks", f"{own}/networks"):
                if (side.kept.folder / name).is_dir():
                    shutil.copytree(side.kept.folder / name, name, dirs_exist_ok=True)
        elif "check" in stages:
            _expand(study, tasks)
        if "check" in stages:
            models.fetch_weights(study, MODEL, files.record)
        passes = the_passes(study, files)
        for stage in stages:
            passes[stage]()
            if stage == "check":  # it writes its card beside the study's own
                shutil.copyfile(f"{files.store}/checked.json", files.card)
            if stage == "attribution":  # the next pass writes its manifest over this one
                shutil.copyfile(files.manifest, f"{files.store}/{NAMES}")
            if side.kept is None:
                _light(study, stage, files, tasks)


def _expand(study: Any, tasks: tuple[str, ...]) -> None:
    from brodmann.pipeline.items import expand_task

    for task in tasks:
        for second, folder in ((False, "items"), (True, "items/.second")):
            definition, output = f"data/{task}.yaml", f"results/{folder}/{task}.json"
            expand_task(study, task, definition=definition, output=output, second=second)


def _light(study: Any, stage: str, files: Any, tasks: tuple[str, ...]) -> None:
    """The light jobs whose files later passes read."""
    from brodmann.circuits.stages import attribution, baseline
    from brodmann.networks.stages import decomposition

    card, manifest, own = files.card, files.manifest, f"results/{MODEL}"
    if stage == "baseline":
        for items, output in zip(files.items, files.baselines, strict=True):
            baseline.write_baseline(
                study, model_json=card, items_file=items, manifest=manifest, output=output
            )
    if stage == "attribution":
        for component in study.attribution.components:
            for task, items, scores in zip(tasks, files.items, files.baselines, strict=True):
                output = f"{own}/attribution/{component}/{task}.safetensors"
                attribution.write_attribution(
                    study,
                    model_json=card,
                    items_file=items,
                    second_file=None,
                    baseline_file=scores,
                    manifest=manifest,
                    component=component,
                    output=output,
                    replicates=output.replace(".safetensors", ".replicates.safetensors"),
                )
                masks = [
                    f"{own}/masks/{component}/{name}/{task}.csv" for name in study.selection.names
                ]
                attribution.write_masks(
                    study,
                    model_json=files.card,
                    component=component,
                    attribution=output,
                    outputs=masks,
                    task=task,
                )
    if stage == "networks":
        tables = ("consistency", "template_iou", "sizes", "layers")
        decomposition.write_networks(
            study,
            model_json=files.card,
            manifest=manifest,
            templates=list(files.templates.values()),
            tables={name: f"{own}/networks/{name}.csv" for name in tables},
        )


# Comparison


def records(folder: Path) -> dict[str, bytes]:
    """Key -> payload of all shards of a stage."""
    from golden.passes import Store

    store = Store(folder)
    keys = {
        part.split()[1].decode()
        for path in sorted(folder.glob("*.shard"))
        for part in path.read_bytes().split(b"\n")
        if part.startswith(b"BRD1 ") and len(part.split()) == 5
    }
    return {key: found for key in sorted(keys) if (found := store.get(key)) is not None}


def arrays(payload: bytes) -> dict[str, np.ndarray]:
    """The numbers of a record by their place in it; what says who made it is left out."""
    if not payload.startswith(b"{"):
        from safetensors.numpy import load

        return load(payload)
    found: dict[str, np.ndarray] = {}
    _collect(json.loads(payload), "", found)
    return found


_MADE_BY = ("computed_with", "metadata", "forward_passes", "self_check", "seconds")


def _collect(value: Any, place: str, found: dict[str, np.ndarray]) -> None:
    if isinstance(value, dict):
        for key, own in value.items():
            if key not in _MADE_BY:
                _collect(own, f"{place}/{key}", found)
    elif isinstance(value, list):
        try:
            numbers = np.array(value, dtype=float)
        except (TypeError, ValueError):
            for number, own in enumerate(value):
                _collect(own, f"{place}/{number}", found)
        else:
            found[place] = numbers
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found[place] = np.array([value], dtype=float)


def compare(cpu: Path, device: Path) -> Compared:
    """One stage's records of both sides."""
    found = Compared()
    expected, own = records(cpu), records(device)
    found.alone = len(expected.keys() ^ own.keys())
    for key in sorted(expected.keys() & own.keys()):
        one, other = arrays(expected[key]), arrays(own[key])
        if "maps" in one:  # of a decomposition, not of a response
            found.maps = min(found.maps, _same_maps(one["maps"], other["maps"]))
            continue
        for name in sorted(one.keys() | other.keys()):
            if name not in one or name not in other:
                found.error, found.worst = np.inf, f"{name} is on one side only"
            elif not _discrete(name):
                found.add(f"{name} of {key[:8]}", one[name], other[name])
    return found


def _discrete(name: str) -> bool:
    """Names of arrays that are chosen by ranks or by thresholds, where a tie may fall to either side; and of
    what an iteration is stopped at (ICA of a single text)."""
    last = name.rsplit("/")[-1]
    found = ("units", "starts", "p", "p_fdr", "explained", "stability")
    return last.endswith((".units", ".scores")) or last in found


def _same_maps(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return 0.0
    rows = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(one, other, strict=True)]
    return float(np.abs(rows).min(initial=1.0))


def attributions(side: Side) -> np.ndarray:
    """All attributions of a side's store, in the order of the manifest's names."""
    manifest = json.loads((side.own / ".store" / NAMES).read_text())
    found = records(side.own / ".store" / "attribution")
    named = sorted(
        (name, key) for name, key in manifest["keys"].items() if "estimators" not in name
    )
    parts = [arrays(found[key])["attribution"].ravel() for _, key in named]
    return np.concatenate(parts).astype(float)


def alike(truth: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """(share of equal signs among the strongest tenth of the truth, rank correlation over all)."""
    strong = np.argsort(-np.abs(truth))[: max(1, len(truth) // 10)]
    signs = float((np.sign(truth[strong]) == np.sign(found[strong])).mean())
    return signs, float(spearmanr(truth, found).statistic)


STAGES = (
    *("check", "baseline", "attribution", "ablation"),
    *("localizer", "lesion", "networks", "network use"),
)


Figure = tuple[str, float | int | str, dict[str, float]]  # what, its value, its target


def right(report: Report, budget: Budget, device: str, small: bool) -> None:
    """All families, several at a time, as far as the budget goes."""
    families = list(FAMILIES)[: 1 if small else None]
    workers = max(1, min(len(families), (os.cpu_count() or 1) // 2))
    done = 0
    with tempfile.TemporaryDirectory(prefix="brodmann-right-") as place:
        os.environ["BRODMANN_CACHE"] = f"{place}/cache"
        jobs = [(Path(place) / family, family, device) for family in families]
        for figures in _all(jobs, workers, budget):
            done += 1
            for what, value, target in figures:
                report.add("right", what, value, **target)
    report.add("right", "families compared", done, f"of {len(families)}", least=len(families))


def _all(jobs: list[tuple[Path, str, str]], workers: int, budget: Budget) -> Iterator[list[Figure]]:
    """What each job finds, as it ends; those that the budget does not see end are stopped."""
    if workers == 1:
        for job in jobs:
            if budget.left > 0:
                yield family_figures(job)
        return
    # A process of its own each, begun anew: CUDA cannot be forked.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        found = pool.imap_unordered(family_figures, jobs)
        for _ in jobs:
            try:
                yield found.next(timeout=max(1.0, budget.left))
            except multiprocessing.TimeoutError:
                return


def family_figures(job: tuple[Path, str, str]) -> list[Figure]:
    """Compare one family; an exception is a figure, too, so that the other families are heard."""
    place, family, device = job
    torch.set_num_threads(1)
    try:
        return _family(place, family, device)
    except Exception as problem:
        print(traceback.format_exc(), flush=True)
        what = f"{family} broke off: {type(problem).__name__}: {problem}"
        return [(what[:200], float("inf"), {"most": TOLERANCE})]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _family(place: Path, family: str, device: str) -> list[Figure]:
    from tiny_models import save_tiny

    weights = save_tiny(place / "saved", family, FAMILIES[family])
    cpu, other = Side(place / "cpu", "cpu"), Side(place / "device", device)
    other.kept = cpu
    for side in (cpu, other):
        run(side, weights, STAGES)
    stages = {stage: f".store/{stage.replace(' ', '_')}" for stage in STAGES}
    found = {stage: compare(cpu.own / own, other.own / own) for stage, own in stages.items()}
    for name in ESTIMATORS:
        pair = _pair(place, name, device, cpu, estimator=name)
        for side in pair:
            run(side, weights, ("check", "attribution"))
        found[name] = compare(*(side.own / ".store/attribution" for side in pair))
    figures: list[Figure] = []
    for stage, own in found.items():
        if own.error > TOLERANCE:
            what = f"{family}, {stage}: error ({own.worst})"
            figures.append((what, own.error, {"most": TOLERANCE}))
    numbers, alone = (
        sum(getattr(own, key) for own in found.values()) for key in ("numbers", "alone")
    )
    worst = max(own.error for own in found.values())
    figures += [
        (f"{family}, all stages: largest of {numbers} errors", worst, {"most": TOLERANCE}),
        (f"{family}: records that one side alone has", alone, {"most": 0}),
        (
            f"{family}: least correlation of a network's map",
            min(own.maps for own in found.values()),
            {"least": SAME_MAP},
        ),
    ]
    circuits = found["attribution"].numbers * found["ablation"].numbers
    if not circuits:
        figures.append((f"{family}: no task has a circuit, so none was compared", 0, {"least": 1}))
    # A tiny model's attributions suffer from bf16 on any device: not more on this one.
    truth, narrow = attributions(cpu), []
    for side in _pair(place, "bf16", device, cpu, dtype="bfloat16"):
        run(side, weights, ("check", "attribution"))
        narrow.append(alike(truth, attributions(side)))
    for what, on_cpu, own in zip(("signs", "rank correlation"), *narrow, strict=True):
        shown = f"{family}, bf16 against fp32: {what} (CPU {on_cpu:.3f})"
        figures.append((shown, own, {"least": round(on_cpu - 0.05, 3)}))
    return figures


def _pair(place: Path, name: str, device: str, kept: Side, **settings: str) -> tuple[Side, Side]:
    """The CPU's side and the device's, of other settings; both take the items and masks of ``kept``."""
    first = Side(place / f"cpu-{name}", "cpu", kept=kept, **settings)
    return first, Side(place / f"device-{name}", device, kept=kept, **settings)
