"""Section *maps*: localizers and extraction on an 8 B shape; CanICA, FastICA and IoU on planted networks."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gpu.circuits import shared
from gpu.clock import Budget, stage, timed
from gpu.report import Report

K = 10
# Tokens and units: of SmolLM2 over 25 texts of 64 tokens, where the others finish, too; of a 7 B model over
# 800 texts.
USUAL, FULL, TINY = (1_600, 17_280), (51_200, 100_352), (600, 900)
FIRST = 3_200  # tokens of the large matrix from which its time is foretold


def maps(report: Report, budget: Budget, setting: Any) -> None:
    """Section e."""
    warnings.simplefilter("ignore")
    _iou(report, setting)
    _decompositions(report, budget, setting)
    if budget.left > 0.3 * budget.seconds or setting.small:
        _of_a_model(report, setting)
    else:
        report.add("maps", "localizer and extraction: left out, no time", "-")


def _of_a_model(report: Report, setting: Any) -> None:
    """The localizer pass, and the networks pass of one dataset."""
    from gpu.subject import Subject

    held = shared(report, setting)
    small = setting.small
    settings = {
        "tasks": {"include": ["language/subject_verb_agreement"], "items": 2, "min_items": 1},
        "localizer": {"networks": ["language"]},
        "networks": {
            "datasets": {"encyclopedia": "corpus:encyclopedia"},
            "group_samples": 4 if small else 100,
            "individual_samples": 2,
            "individual_components": 2 if small else 16,
            "group_components": 2 if small else K,
            "max_tokens": 16 if small else 512,
            "restarts": 2,
        },
        "execution": {"device": setting.device.type},
    }
    with tempfile.TemporaryDirectory(prefix="brodmann-maps-") as folder:
        subject = Subject(Path(folder) / "study", held.shape, held.model, settings)
        subject.prepare()
        for what, run in (("localizer", subject.localizer), ("networks", subject.networks)):
            with stage(what):
                _, seconds = timed(run)
            report.add("maps", f"{held.shape.name}: {what} pass", seconds, "s")


def _planted(tokens: int, units: int, noise: float) -> Any:
    from planted import planted

    return planted(tokens, units, K, size=max(10, units // 120), noise=noise)


def _decompositions(report: Report, budget: Budget, setting: Any) -> None:
    from brodmann.networks.decompose import decompose
    from brodmann.networks.signals import ArraySignals

    tokens, units = TINY if setting.small else USUAL
    data = _planted(tokens, units, 0.3 if setting.small else 1.0)
    signals = ArraySignals.of(data.values)

    def ours(device: Any, method: str) -> np.ndarray:
        return decompose(signals, K, method=method, device=device).maps[:, 0]

    shape = f"{tokens:,} tokens x {units:,} units"
    for method in ("canica", "fastica"):
        for device in dict.fromkeys((setting.device.type, "cpu")):
            _one(report, f"{method} of {shape}, on {device}", lambda: ours(device, method), data)  # noqa: B023
    _one(report, f"scikit-learn FastICA of {shape}", lambda: scikit_learn(data), data, limit=budget)
    _one(report, f"nilearn CanICA of {shape}", lambda: nilearn(data), data, limit=budget)
    if setting.small:
        _canica(report, *TINY, setting)
    else:
        _full(report, budget, setting)


def _full(report: Report, budget: Budget, setting: Any) -> None:
    """CanICA of the large matrix: of some tokens first, then as many as there is time and memory for."""
    tokens, units = FULL
    seconds = _canica(report, FIRST, units, setting)
    while tokens > FIRST and (
        4.0 * tokens * units > 0.5 * available() or seconds * tokens / FIRST > 0.7 * budget.left
    ):
        tokens //= 2
    if tokens > FIRST:
        _canica(report, tokens, units, setting)


def _canica(report: Report, tokens: int, units: int, setting: Any) -> float:
    """Seconds for drawing and decomposing planted networks, which are drawn block by block on the device."""
    import torch
    from planted import matching

    from brodmann.networks.decompose import decompose
    from brodmann.networks.signals import ArraySignals

    start = time.perf_counter()
    dice = torch.Generator(setting.device).manual_seed(0)
    maps = torch.zeros(K, units, device=setting.device)
    size = max(10, units // 200)
    places = torch.randperm(units, generator=dice, device=setting.device)
    for row in range(K):
        maps[row, places[row * size : (row + 1) * size]] = 1.0
    values = np.empty((tokens, units), np.float32)
    for first in range(0, tokens, 1600):
        rows = min(1600, tokens - first)
        uniform = torch.rand(rows, K, generator=dice, device=setting.device) - 0.5
        courses = -uniform.sign() * (1 - 2 * uniform.abs()).clamp_min(1e-12).log()
        noise = torch.randn(rows, units, generator=dice, device=setting.device)
        noise *= 0.3 if setting.small else 1.0
        values[first : first + rows] = (2 * courses @ maps + noise).cpu().numpy()
    what = f"canica of {tokens:,} tokens x {units:,} units, on {setting.device.type}"
    signals = ArraySignals.of(values)
    with stage(what):
        found, seconds = timed(
            lambda: decompose(signals, K, method="canica", device=setting.device)
        )
    report.add("maps", what, seconds, "s")
    worst = float(matching(found.maps[:, 0], maps.cpu().numpy()).min())
    report.add("maps", "its worst correlation with a planted map", worst, least=0.9)
    return time.perf_counter() - start


def available() -> float:
    """Bytes of memory that the host has left."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return float(line.split()[1]) * 1024
    return 8e9


def _one(
    report: Report, what: str, run: Callable[[], np.ndarray], data: Any, limit: Budget | None = None
) -> None:
    """Seconds, and whether the planted networks were found."""
    from planted import matching

    if limit is not None and limit.left < 0.5 * limit.seconds:
        report.add("maps", f"{what}: left out, no time", "-")
        return
    try:
        with stage(what):
            found, seconds = timed(run)
    except ModuleNotFoundError as problem:
        report.add("maps", f"{what}: left out, {problem.name} is not installed", "-")
        return
    worst = float(matching(found, data.maps).min())
    report.add("maps", what, seconds, "s")
    if worst < 0.9:
        report.add("maps", f"{what}: worst correlation", worst, least=0.9)


def scikit_learn(data: Any) -> np.ndarray:
    """Maps [k, units], one start."""
    from sklearn.decomposition import FastICA

    values = (data.values - data.values.mean(0)) / data.values.std(0)
    return FastICA(K, random_state=0).fit(values).mixing_.T


def nilearn(data: Any) -> np.ndarray:
    """Maps [k, units], ten starts."""
    from nibabel import Nifti1Image
    from nilearn.decomposition import CanICA

    values = (data.values - data.values.mean(0)) / data.values.std(0)
    tokens, units = values.shape
    side = (units, 1, 1)
    volume = Nifti1Image(values.T.reshape(*side, tokens), np.eye(4))
    mask = Nifti1Image(np.ones(side, np.uint8), np.eye(4))
    quiet = {"smoothing_fwhm": None, "standardize": False, "detrend": False, "threshold": None}
    model = CanICA(n_components=K, mask=mask, n_init=10, random_state=0, **quiet).fit(volume)
    return np.asarray(model.components_img_.dataobj).reshape(units, K).T


def _iou(report: Report, setting: Any) -> None:
    from brodmann.networks.iou import from_units, iou

    networks, templates, units = (60, 4, 900) if setting.small else (6_400, 40, FULL[1])
    dice = np.random.default_rng(0)
    size = max(1, units // 100)
    members = [dice.choice(units, size, replace=False) for _ in range(min(300, networks))]
    chosen = np.arange(networks) % len(members)
    starts = np.arange(0, (networks + 1) * size, size)
    many = from_units(np.concatenate([members[n] for n in chosen]), starts, units)
    few = from_units(np.concatenate(members[:templates]), starts[: templates + 1], units)
    _, seconds = timed(lambda: iou(many, few))
    report.add("maps", f"IoU of {networks:,} x {templates} maps of {units:,} units", seconds, "s")
