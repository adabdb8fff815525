"""Overlap stage: circuits of all included tasks of one model and component, against each other."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from brodmann.circuits import overlap
from brodmann.circuits.inclusion import Baseline
from brodmann.circuits.masks import Selection, read_mask, select_units, selections
from brodmann.circuits.replicates import Strongest
from brodmann.config.study import Study
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.sites import COMPONENTS
from brodmann.store.tables import write_matrix, write_table
from brodmann.store.tensors import read_tensors
from brodmann.tasks.catalogue import domain_of

log = logging.getLogger(__name__)


def write_overlaps(
    study: Study,
    *,
    model_json: str,
    component: str,
    tasks: Sequence[str],
    baseline_files: Sequence[str],
    mask_folder: str,
    replicate_files: Sequence[str],
    folder: str,
) -> None:
    """Rule ``overlap``: every selection's matrices, reliability and summary into ``folder``."""
    card = ModelCard.read(model_json)
    there, origin = Population.of_level(card, component), card.origin(COMPONENTS[component])
    baselines = dict(zip(tasks, map(Baseline.read, baseline_files), strict=True))
    files = dict(zip(tasks, replicate_files, strict=True))
    replicates = {task: read_tensors(files[task]) for task in tasks}
    # Excluded tasks have none, nor have those of which a split leaves nothing.
    included = [task for task in tasks if replicates[task]]
    for selection in selections(study.selection.signs, study.selection.percents):
        circuits = {
            task: read_mask(
                Path(mask_folder, selection.name, f"{task}.csv"), there.width, origin
            ).units
            for task in included
        }
        _write_selection(
            Path(folder) / selection.name,
            selection,
            circuits,
            {task: replicates[task] for task in included},
            len(there),
            baselines,
        )


def _write_selection(
    stem: Path,
    selection: Selection,
    circuits: Mapping[str, np.ndarray],
    replicates: Mapping[str, Mapping[str, np.ndarray]],
    n_units: int,
    baselines: Mapping[str, Baseline],
) -> None:
    tables, unscaled = overlap.overlap_matrices(circuits, selection.size(n_units))
    for task in unscaled:
        log.warning("%s: %s overlaps with no other task: NaN when scaled", selection.name, task)
    for measure, table in tables.items():
        write_matrix(f"{stem}.{measure}.csv", table)
    rates = {
        task: _reliability(selection, circuits[task], replicates[task], n_units)
        for task in circuits
    }
    source, ceilings = overlap.ceilings(rates)
    write_table(
        f"{stem}.reliability.csv",
        [
            {
                "task": task,
                "n_items": len(baselines[task].used_ids),
                "n_circuit": len(circuits[task]),
                "split_containment": rate.split_containment,
                "split_jaccard": rate.split_jaccard,
                "seed_containment": rate.seed_containment,
                "seed_jaccard": rate.seed_jaccard,
                "ceiling": ceilings[task],
                "ceiling_from": source,
            }
            for task, rate in rates.items()
        ],
        RELIABILITY,
    )
    contained = tables["containment"]
    corrected = overlap.noise_corrected(contained, ceilings)
    write_matrix(f"{stem}.noise_corrected.csv", corrected)
    bootstraps = {
        task: Strongest.stored(tensors, "bootstraps", n_units)
        for task, tensors in replicates.items()
    }
    write_table(f"{stem}.summary.csv", _summary(selection, tables, corrected, bootstraps), SUMMARY)


RELIABILITY = (
    *("task", "n_items", "n_circuit", "split_containment", "split_jaccard"),
    *("seed_containment", "seed_jaccard", "ceiling", "ceiling_from"),
)
SUMMARY = ("measure", "pairs", "mean", "low", "high", "n_tasks", "n_bootstraps")


def _reliability(
    selection: Selection,
    circuit: np.ndarray,
    tensors: Mapping[str, np.ndarray],
    n_units: int,
) -> overlap.Reliability:
    second = None
    if "second" in tensors:
        second = select_units(tensors["second"], selection, n_units=n_units).units
    halves = Strongest.stored(tensors, "halves", n_units)
    return overlap.reliability(halves, selection, circuit, second)


def _summary(
    selection: Selection,
    tables: Mapping[str, pd.DataFrame],
    corrected: pd.DataFrame,
    bootstraps: Mapping[str, Strongest],
) -> list[dict[str, object]]:
    """Within and across domains: raw containment with intervals over items, Jaccard, noise-corrected."""
    tasks = list(tables["containment"].index)
    domains = [domain_of(task) for task in tasks]
    drawn = overlap.bootstrap_within_cross(bootstraps, selection) if tasks else []
    rows = []
    for name, table in (
        ("containment", tables["containment"]),
        ("jaccard", tables["jaccard"]),
        ("noise_corrected", corrected),
    ):
        means = overlap.within_cross(table.to_numpy(), domains)
        for pairs in ("within", "cross", "ratio"):
            mean = getattr(means, pairs)
            low = high = float("nan")
            if name == "containment":
                low, high = overlap.interval(mean, [getattr(one, pairs) for one in drawn])
                if pairs != "ratio":  # a share
                    low, high = max(low, 0.0), min(high, 1.0)
            rows.append(
                {
                    "measure": name,
                    "pairs": pairs,
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "n_tasks": len(tasks),
                    "n_bootstraps": len(drawn) if name == "containment" else 0,
                }
            )
    return rows
