"""Rule ``compared_models``: how far the maps of one model are from those of another of the same shape.

For quantised weights beside full ones, and for fine-tuned models beside what they come from. Nothing is
computed anew. One value per task that both models include:

- ``rank_correlation``: Spearman's, of the attribution scores of all units;
- ``jaccard``: shared units of the two circuits of the main size, as a share of the units of either;
- ``accuracy_difference``: both-correct accuracy of the other model less that of the one, of any task.

``localizer_correlation`` is Pearson's, of the selectivity (t) of all units, one value per localizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import read_record
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.networks.courses import correlations, spearman
from brodmann.significance.intervals import of_mean
from brodmann.sites import COMPONENTS
from brodmann.store import masks
from brodmann.store.tables import write_table
from brodmann.store.tensors import read_tensor

_PAIR = ("one", "other", "component", "measure")
COLUMNS = (*_PAIR, "n", "unit", "value", "low", "high")
# ``of``: the task, or the localizer.
EACH = (*_PAIR, "of", "value")
RANKS, SHARED, ACCURACY, SELECTIVITY = (
    *("rank_correlation", "jaccard", "accuracy_difference", "localizer_correlation"),
)


@dataclass(frozen=True)
class _Right:
    """What is read of a baseline."""

    both_correct_accuracy: float | None
    included: bool


def write_compared(
    study: Study, output: str, each: str, *, results: str | Path = "results"
) -> None:
    """``output``: means over tasks, ``each``: a row per task; what is read lies in ``results``."""
    rows = [
        {"one": one, "other": other, **row}
        for one, other in study.compare.pairs
        for row in _measured(study, Path(results), one, other)
    ]
    write_table(each, rows, EACH)
    groups: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in _PAIR), []).append(row["value"])
    summary = [
        {**dict(zip(_PAIR, key, strict=True)), **_over(key[-1], np.array(values))}
        for key, values in groups.items()
    ]
    write_table(output, summary, COLUMNS)


def _over(measure: str, values: np.ndarray) -> dict[str, Any]:
    """The mean, and its percentile interval over resampled tasks (or localizers)."""
    values = values[np.isfinite(values)]
    n = len(values)
    found: dict[str, Any] = {"n": n, "unit": "localizers" if measure == SELECTIVITY else "tasks"}
    if n:
        found["value"] = float(values.mean())
    if n > 1:
        found["low"], found["high"] = of_mean(values)
    return found


def _measured(study: Study, results: Path, one: str, other: str) -> Iterator[dict[str, Any]]:
    folders = [results / one, results / other]
    both = []
    for task in study.tasks.selected:
        own = [read_record(folder / "baseline" / f"{task}.json", _Right) for folder in folders]
        before, after = (record.both_correct_accuracy for record in own)
        if before is not None and after is not None:
            yield _row("", ACCURACY, task, after - before)
        if all(record.included for record in own):
            both.append(task)
    for component in study.attribution.components:
        for task in both:
            place = Path("attribution", component, f"{task}.safetensors")
            ranks = spearman(*_pair(folders, place, "attribution", COMPONENTS[component]))
            yield _row(component, RANKS, task, float(ranks[0, 0]))
        for task in both:
            place = Path("masks", component, study.selection.main_name, f"{task}.csv")
            first, second = (set(masks.read(folder / place).units) for folder in folders)
            if first | second:
                yield _row(component, SHARED, task, len(first & second) / len(first | second))
    for network in study.localizer.networks:
        place = Path("localizer", network, "selectivity.safetensors")
        r = correlations(*_pair(folders, place, "t", study.localizer.site))
        yield _row(study.localizer.site, SELECTIVITY, network, float(r[0, 0]))


def _row(component: str, measure: str, of: str, value: float) -> dict[str, Any]:
    return {"component": component, "measure": measure, "of": of, "value": value}


def _pair(folders: list[Path], place: Path, name: str, site: str) -> tuple[np.ndarray, np.ndarray]:
    """The same values of both models, those that are finite in both; each as a column [values, 1].

    ``site``: what they are of; places that have no unit there are left out.
    """
    first, second = (read_tensor(folder / place, name).astype(float) for folder in folders)
    if first.shape != second.shape:
        shapes = " and ".join(" x ".join(map(str, own.shape)) for own in (first, second))
        what = f"{folders[0].name} and {folders[1].name} have {shapes} units"
        raise UserError.at("compare.pairs", what, "compare models of the same shape")
    known = np.isfinite(first) & np.isfinite(second)
    for folder in folders:
        there = Population.at(ModelCard.read(folder / "model.json"), site)
        known &= there.exists.reshape(known.shape)
    return first[known][:, None], second[known][:, None]
