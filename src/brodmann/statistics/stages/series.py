"""Rule ``series``: how a series of checkpoints changes along its axis; nothing is computed anew.

Every row is a number that stands in a file of one checkpoint, or a share of items pooled over its tasks:

- ``accuracy``: share of aligned items right in both directions, of all tasks (no ``domain``) or a domain's;
- ``overlap_within``, ``overlap_cross``, ``overlap_difference``, ``ari``: of circuits of the main size;
- ``drop_within``, ``drop_cross``, ``drop_difference``: what silencing them costs;
- ``cpr_own``, ``cpr_random``: area under the faithfulness of circuits by the task's own order, and by random
  orders; ``enough_percent``: size of the smallest circuit that is enough, the median over tasks;
- ``lesion``, ``random``, ``intact``: accuracy with a localizer's units silenced, with as many random units
  (all draws), and with none, pooled over the measured tasks; ``domain`` is the localizer;
- ``identified``: templates on which the starts of the iteration agree; ``domain`` is the dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brodmann.circuits.enough import by_group, chosen
from brodmann.circuits.stages.faithfulness import AREAS
from brodmann.config.study import Study
from brodmann.files import read_record
from brodmann.significance.effects import Value, accuracy
from brodmann.significance.intervals import LEVEL
from brodmann.store.tables import read_table, write_table
from brodmann.tasks.catalogue import domain_of

COLUMNS = (
    *("series", "axis", "step", "model", "control", "component", "sel", "measure", "domain"),
    *("n", "unit", "value", "low", "high", "p"),
)
TESTED = ("within", "cross", "difference")
_RESAMPLES = 1000


# What is read of tables.
_STRUCTURE = ("model", "component", "sel", "measure", "n", "p")
_LESIONS = ("condition", "selection", "kind", "measure", "n", "value")


@dataclass(frozen=True)
class _Counts:
    """What is read of a baseline."""

    n_both_correct: int
    n_aligned: int


@dataclass(frozen=True)
class _Templates:
    """What is read of templates.json: whether the starts agree on each."""

    identified: list[bool]


def write_series(
    study: Study, modularity: str, clustering: str, output: str, *, results: str | Path = "results"
) -> None:
    """``modularity``, ``clustering``: the study's tables; what else is read lies in ``results``."""
    tests = read_table(modularity, (*_STRUCTURE, *TESTED))
    found = read_table(clustering, (*_STRUCTURE, "ari"))
    rows = []
    for series, members in study.series.items():
        for model, step in members.items():
            entry = study.model(model)
            axis = study.series_axis(series)
            where = {"series": series, "axis": axis, "step": step, "model": model}
            measured = [
                *_accuracies(study, Path(results, model)),
                *_structure(study, model, tests, found),
                *_sufficiency(study, model, Path(results, model)),
                *_lesions(study, Path(results, model)),
                *_networks(study, model, Path(results, model)),
            ]
            rows += [{**where, "control": entry.control, **row} for row in measured]
    write_table(output, rows, COLUMNS)


def _share(counts: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Of (right, all) of several tasks: the pooled share with Wilson's interval."""
    right, total = (sum(pair[place] for pair in counts) for place in (0, 1))
    return _cells(accuracy(np.arange(total) < right), "items")


def _cells(value: Value, unit: str) -> dict[str, Any]:
    return {"n": value.n, "unit": unit, "value": value.value, "low": value.low, "high": value.high}


def _accuracies(study: Study, folder: Path) -> Iterator[dict[str, Any]]:
    counts: dict[str, list[tuple[int, int]]] = {"": []}
    for task in study.tasks.selected:
        read = read_record(folder / "baseline" / f"{task}.json", _Counts)
        pair = read.n_both_correct, read.n_aligned
        counts[""].append(pair)
        counts.setdefault(domain_of(task), []).append(pair)
    for domain, pairs in counts.items():
        yield {"measure": "accuracy", "domain": domain, **_share(pairs)}


def _structure(
    study: Study, model: str, tests: pd.DataFrame, found: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    main, ablated = study.selection.main_name, study.ablated_selections[:1]
    for component in study.attribution.components:
        at = {"component": component}
        mine = (tests["model"] == model) & (tests["component"] == component)
        overlap = tests[mine & (tests["sel"] == main) & (tests["measure"] == "containment")]
        drop = tests[mine & tests["sel"].isin(ablated) & (tests["measure"] == "accuracy_drop")]
        for name, table, sel in (("overlap", overlap, main), ("drop", drop, *ablated)):
            for row in table.head(1).to_dict("records"):
                for key in TESTED:
                    p = row["p"] if key == "difference" else None
                    told = {"measure": f"{name}_{key}", "n": row["n"], "unit": "tasks"}
                    yield {**at, "sel": sel, **told, "value": row[key], "p": p}
        own = found[(found["model"] == model) & (found["component"] == component)]
        own = own[(own["sel"] == main) & (own["measure"] == "containment")]
        for row in own.head(1).to_dict("records"):
            told = {"measure": "ari", "n": row["n"], "unit": "tasks"}
            yield {**at, "sel": main, **told, "value": row["ari"], "p": row["p"]}


def _sufficiency(study: Study, model: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Of the first sign and kind, over the tasks that are tested; intervals over resampled tasks."""
    asked = study.faithfulness
    if model not in study.faithfulness_models:
        return
    for component in study.attribution.components:
        file = f"{component}.{study.attribution.estimator}.areas.csv"
        rows = chosen(
            read_table(folder / "faithfulness" / file, AREAS), asked.signs[0], asked.kinds[0]
        )
        areas = by_group(rows, "cpr")
        own = rows[(rows["group"] == "own") & rows["cpr"].notna()]
        # What is never enough is larger than all sizes.
        sizes = own["enough_percent"].fillna(np.inf)
        for measure, values, centre in (
            ("cpr_own", areas["own"], np.mean),
            ("cpr_random", areas["random"], np.mean),
            ("enough_percent", sizes, _median),
        ):
            known = values.dropna().to_numpy(dtype=float)
            yield {"component": component, "measure": measure, **_over_tasks(known, centre)}


def _median(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """The lower of the two in the middle: one of the sizes, and defined for infinite ones."""
    return np.asarray(np.quantile(values, 0.5, axis=axis, method="inverted_cdf"))


def _over_tasks(values: np.ndarray, centre: Callable[..., Any]) -> dict[str, Any]:
    """Mean or median of tasks with its interval; nothing where it is infinite, or without tasks."""
    n = len(values)
    found = {"n": n, "unit": "tasks"}
    if n:
        found["value"] = float(centre(values))
    if n > 1:
        drawn = values[np.random.default_rng(0).integers(n, size=(_RESAMPLES, n))]
        ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        low, high = np.quantile(centre(drawn, axis=1), ends, method="inverted_cdf")
        found |= {"low": float(low), "high": float(high)}
    return {key: None if value in (np.inf, -np.inf) else value for key, value in found.items()}


def _lesions(study: Study, folder: Path) -> Iterator[dict[str, Any]]:
    for network in study.localizer.networks:
        lesions = read_table(folder / "localizer" / network / "lesion.csv", _LESIONS)
        size = study.localizer.selection_name(study.localizer.lesioned[0])
        lesions = lesions[lesions["measure"] == "accuracy"]
        kind = study.localizer.lesion.kinds[0]
        of_size = (lesions["selection"] == size) & (lesions["kind"] == kind)
        for condition in ("intact", "lesion", "random"):
            own = lesions[lesions["condition"] == condition]
            own = own if condition == "intact" else own[of_size[own.index]]
            pairs = [
                (round(float(row["value"]) * int(row["n"])), int(row["n"]))
                for row in own.to_dict("records")
            ]
            if pairs:
                sel = "" if condition == "intact" else size
                row = {"measure": condition, "domain": network, "sel": sel, **_share(pairs)}
                # Several draws on the same items are no independent items.
                yield {**row, "low": None, "high": None} if condition == "random" else row


def _networks(study: Study, model: str, folder: Path) -> Iterator[dict[str, Any]]:
    if model not in study.network_models:
        return
    for dataset in study.networks.names:
        told = read_record(folder / "networks" / dataset / "templates.json", _Templates)
        row = {"measure": "identified", "domain": dataset, "n": len(told.identified)}
        yield {**row, "unit": "templates", "value": sum(told.identified)}
