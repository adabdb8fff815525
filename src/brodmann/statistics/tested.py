"""The matrices of a study with what they are, and the tests that several tables report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from brodmann.config.statistics import StatisticsSettings
from brodmann.statistics.clustering import Recovery, recover
from brodmann.statistics.inventory import AVERAGE, Inventory
from brodmann.statistics.modularity import Modularity, modularity
from brodmann.store.tables import read_matrix
from brodmann.tasks.catalogue import domain_of

MATRIX = ("model", "control", "component", "sel", "measure", "kind")
KEYS = (*MATRIX, "unit", "n", "n_models", "seed", "method")


@dataclass(frozen=True, eq=False)
class Tested:
    """One matrix of the study, what it is, and the tests on it; each is made when it is first asked for."""

    model: str
    control: bool
    component: str
    sel: str
    measure: str  # a measure of overlap, or accuracy_drop
    kind: str  # kind of ablation; empty for overlap
    n_models: int  # that an average is of; else 1
    table: pd.DataFrame
    settings: StatisticsSettings
    trained: str = ""  # of an untrained control: the same model trained, if the study has it

    @property
    def keys(self) -> dict[str, Any]:
        """The columns that say which matrix it is."""
        return {name: getattr(self, name) for name in MATRIX}

    @property
    def unit(self) -> str:
        """What a cell counts."""
        units = {
            "containment": "shared units / circuit size",
            "jaccard": "shared units / units of either",
            "doubly_stochastic": "containment, rows and columns scaled to 1",
        }
        return units.get(self.measure, "accuracy lost (share of items)")

    @property
    def symmetric(self) -> bool:
        """Overlaps have no direction; what a lesion costs has one."""
        return not self.kind

    @property
    def domains(self) -> list[str]:
        """Domain of each task."""
        return [domain_of(task) for task in self.table.index]

    @property
    def shared(self) -> dict[str, Any]:
        """``keys``, and what every table of tests has."""
        size = {"unit": self.unit, "n": len(self.table), "n_models": self.n_models}
        return {**self.keys, **size, **self.settings.shuffling}

    @property
    def group(self) -> tuple[str, ...]:
        """All but the model."""
        return (self.component, self.sel, self.measure, self.kind)

    @cached_property
    def modularity(self) -> Modularity:
        """Within against across domains."""
        shuffling = self.settings.shuffling
        return modularity(self._values, self.domains, symmetric=self.symmetric, **shuffling)

    @cached_property
    def recovery(self) -> Recovery:
        """Clusters against domains."""
        return recover(self._values, self.domains, **self.settings.shuffling)

    def test(self) -> None:
        """Make both now: it takes long."""
        _ = self.modularity, self.recovery

    @property
    def _values(self) -> np.ndarray:
        values: np.ndarray = self.table.to_numpy(dtype=float)
        return values


def matrices(inventory: Inventory, settings: StatisticsSettings) -> tuple[Tested, ...]:
    """Read every matrix: overlap measures, then ablations; models first, averages last."""
    return tuple(
        Tested(
            *(
                one.model,
                one.model in inventory.controls,
                one.component,
                one.sel,
                measure,
                one.kind,
            ),
            n_models=len(inventory.contributing(one)) if one.model == AVERAGE else 1,
            table=read_matrix(one.path(measure)),
            settings=settings,
            trained=inventory.twins.get(one.model, ""),
        )
        for one in inventory.every
        for measure in one.measures
    )
