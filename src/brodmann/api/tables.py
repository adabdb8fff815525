"""What tables a study has: where their files lie, what a row is, and how a file is read in long form.

A table may have many files: what stands in braces in its path becomes a column of that name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from brodmann.circuits.inclusion import Baseline
from brodmann.networks.conditions import network_name
from brodmann.networks.maps import Networks
from brodmann.store.tables import read_matrix, read_table
from brodmann.store.tensors import read_tensor
from brodmann.tasks.catalogue import domain_of

# Of a baseline what is a value of the whole task; lists of items stay in its file.
_OF_TASK = (
    *("included", "reason", "n_items", "n_aligned", "n_both_correct"),
    *("clean_accuracy", "corrupted_accuracy", "both_correct_accuracy"),
    *("clean_baseline", "corrupted_baseline", "unnormalised", "single_answer"),
)


def _baseline(path: Path) -> pd.DataFrame:
    """One row."""
    found = Baseline.read(path)
    return pd.DataFrame([{name: getattr(found, name) for name in _OF_TASK}])


def _mask(path: Path) -> pd.DataFrame:
    """A row per unit, best first. The file's last columns say again which mask it is."""
    return read_table(path, ("layer", "unit")).drop(columns="selection", errors="ignore")


def _grid(path: Path, tensor: str, column: str) -> pd.DataFrame:
    """A row per unit of a tensor [layers, units]; none of an excluded task."""
    values = read_tensor(path, tensor)
    layers, units = np.indices(values.shape).reshape(2, -1)
    return pd.DataFrame({"layer": layers, "unit": units, column: values.reshape(-1)})


def _members(path: Path) -> pd.DataFrame:
    """A row per network and unit that belongs to it."""
    found = Networks.load(path)
    networks, layers, units = np.nonzero(found.members)
    names = pd.Series([network_name(number) for number in range(len(found))], dtype=str)
    return pd.DataFrame(
        {
            "network": names.take(networks).to_numpy(),
            **{"layer": layers, "unit": units, "z": found.maps[networks, layers, units]},
        }
    )


def _cells(path: Path, row: str, column: str) -> pd.DataFrame:
    """A row per cell of a matrix of tasks, with the domain of either."""
    matrix = read_matrix(path)
    tasks, values = list(matrix.index), matrix.to_numpy()
    rows, columns = np.indices(values.shape).reshape(2, -1)
    named = pd.Series(tasks, dtype=str)
    domains = pd.Series([domain_of(task) for task in tasks], dtype=str)
    return pd.DataFrame(
        {
            row: named.take(rows).to_numpy(),
            column: named.take(columns).to_numpy(),
            f"{row}_domain": domains.take(rows).to_numpy(),
            f"{column}_domain": domains.take(columns).to_numpy(),
            "value": values.reshape(-1),
        }
    )


@dataclass(frozen=True)
class Table:
    """One table. ``page`` explains the columns of its files; ``only``: place -> what it can be, where the
    study does not say that."""

    path: str  # below the folder of results
    row: str  # what a row is
    page: str
    read: Callable[[Path], pd.DataFrame] = read_table
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def places(self) -> list[str]:
        """What a file is of: the columns that are added to its own."""
        return re.findall(r"{(\w+)}", self.path)


_CIRCUITS, _LOCALIZERS = "docs/circuits.md", "docs/localizers.md"
_NETWORKS, _USE = "docs/networks.md", "docs/networks-use.md"
_OVERLAPS = ("containment", "jaccard", "doubly_stochastic", "noise_corrected")
_EFFECTS = ("accuracy_drop", "score")
_PAIR = partial(_cells, row="task", column="other")
_LESION = partial(_cells, row="source", column="target")

TABLES: Mapping[str, Table] = {
    "baseline": Table(
        "{model}/baseline/{task}.json",
        "a task that a model was given",
        "docs/results.md",
        _baseline,
    ),
    "accuracy": Table(
        "{model}/accuracy.csv",
        "a task of a model of which only results are there",
        "docs/results.md",
    ),
    "attribution": Table(
        "{model}/attribution/{component}/{task}.safetensors",
        *("a unit, for one task", _CIRCUITS),
        partial(_grid, tensor="attribution", column="score"),
    ),
    "masks": Table(
        "{model}/masks/{component}/{sel}/{task}.csv",
        "a unit of a circuit",
        "docs/results.md",
        _mask,
    ),
    "overlap": Table(
        "{model}/overlap/{component}/{sel}.{measure}.csv",
        *("two tasks, in either order", _CIRCUITS, _PAIR),
        {"measure": _OVERLAPS},
    ),
    "overlap_summary": Table(
        "{model}/overlap/{component}/{sel}.summary.csv", "a kind of pairs of tasks", _CIRCUITS
    ),
    "reliability": Table(
        "{model}/overlap/{component}/{sel}.reliability.csv", "the circuit of a task", _CIRCUITS
    ),
    "stability": Table(
        "{model}/overlap/{component}/{sel}.stability.csv", "the circuit of a task", _CIRCUITS
    ),
    "stability_curve": Table(
        "{model}/overlap/{component}/{sel}.stability.curve.csv",
        *("a task and a number of items", _CIRCUITS),
    ),
    "agreement": Table("{model}/attribution/{component}.agreement.csv", "a task", _CIRCUITS),
    "agreement_units": Table(
        "{model}/attribution/{component}.agreement.units.csv", "a unit, for one task", _CIRCUITS
    ),
    "estimators": Table(
        "{model}/attribution/{component}.estimators.csv", "an estimator, for one task", _CIRCUITS
    ),
    "estimators_summary": Table(
        "{model}/attribution/{component}.estimators.summary.csv", "an estimator", _CIRCUITS
    ),
    "estimators_seconds": Table(
        "{model}/attribution/{component}.estimators.seconds.csv", "an estimator", _CIRCUITS
    ),
    "ablation": Table(
        "{model}/ablation/{component}/{sel}/{kind}/{target}.csv", "a lesion of one task", _CIRCUITS
    ),
    "ablation_effects": Table(
        "{model}/ablation/{component}/{sel}.{kind}.{measure}.csv",
        *("a silenced circuit and a task", _CIRCUITS, _LESION),
        {"measure": _EFFECTS},
    ),
    "forecast": Table(
        "{model}/ablation/{component}/{sel}.forecast.csv",
        *("a silenced circuit and a task", _CIRCUITS, _LESION),
    ),
    "faithfulness": Table(
        "{model}/faithfulness/{component}.{estimator}.csv",
        *("a task, an order of its units and a size", "docs/faithfulness.md"),
    ),
    "faithfulness_areas": Table(
        "{model}/faithfulness/{component}.{estimator}.areas.csv",
        *("a task and an order of its units", "docs/faithfulness.md"),
    ),
    "rivals": Table(
        "{model}/faithfulness/{component}.{estimator}.rivals.csv",
        *("a task and a round", "docs/faithfulness.md"),
    ),
    "granularity_lesions": Table(
        "{model}/granularity/lesions.csv", "a lesion of one task", "docs/granularity.md"
    ),
    "granularity_circuits": Table(
        "{model}/granularity/circuits.csv", "a unit of a circuit", "docs/granularity.md"
    ),
    "localizer": Table(
        "{model}/localizer/{localizer}/selectivity.safetensors",
        *("a unit", _LOCALIZERS),
        partial(_grid, tensor="t", column="t"),
    ),
    "localized": Table(
        "{model}/localizer/{localizer}/{selection}.csv",
        *("a unit of a selection", "docs/results.md", _mask),
    ),
    "localizer_lesions": Table(
        "{model}/localizer/{localizer}/lesion.csv", "a lesion and a measure", _LOCALIZERS
    ),
    "localizer_circuits": Table(
        "{model}/localizer/{localizer}/circuits.csv", "the circuit of a task", _LOCALIZERS
    ),
    "massive": Table("{model}/localizer/massive.csv", "a unit of massive activations", _LOCALIZERS),
    "networks": Table(
        "{model}/networks/{dataset}/templates.safetensors",
        *("a unit of a network", _NETWORKS, _members),
    ),
    "network_consistency": Table(
        "{model}/networks/consistency.csv", "a network of a dataset", _NETWORKS
    ),
    "network_iou": Table("{model}/networks/template_iou.csv", "two networks", _NETWORKS),
    "network_sizes": Table("{model}/networks/sizes.csv", "a network", _NETWORKS),
    "network_layers": Table("{model}/networks/layers.csv", "a network and a layer", _NETWORKS),
    "network_driving": Table(
        "{model}/networks/{dataset}/driving.csv", "a token that drives a network", "docs/report.md"
    ),
    "network_editing": Table("{model}/networks/editing.csv", "an edit and a measure", _USE),
    "network_sets": Table("{model}/networks/editing_sets.csv", "two edited sets of units", _USE),
    "network_probing": Table("{model}/networks/probing.csv", "an edit and a probe", _USE),
    "network_connectivity": Table("{model}/networks/connectivity.csv", "two networks", _USE),
    "map_agreement": Table("{model}/networks/agreement.csv", "two maps' sets of units", _USE),
    "map_layers": Table(
        "{model}/networks/agreement_layers.csv", "a set of units and a layer", _USE
    ),
    "unit_tokens": Table(
        "{model}/units/neurons.csv",
        "a neuron and a token that it promotes or suppresses",
        "docs/report.md",
    ),
    "silenced_units": Table(
        "{model}/units/silenced.csv", "a unit that was silenced by itself", "docs/atlas.md"
    ),
    "surface": Table("{model}/surface.csv", "two tasks", "docs/results.md"),
}
