"""Which matrices a study will hold, of which models: known from the config and from file names alone."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any, overload

from brodmann.config.study import Study
from brodmann.models.results_folder import ResultsFolder

MEASURES = ("containment", "jaccard", "doubly_stochastic")
AVERAGE = "average"
# All models together, in tables that have a row for each model otherwise.
ALL = "all"


@dataclass(frozen=True)
class Overlap:
    """The overlap matrices of one model (or ``average``) and selection."""

    model: str
    component: str
    sel: str

    def path(self, measure: str) -> str:
        """Where the contract puts the matrix."""
        return f"results/{self.model}/overlap/{self.component}/{self.sel}.{measure}.csv"

    def count_path(self, measure: str) -> str:
        """Beside an average: how many models each cell has."""
        return f"results/{self.model}/overlap/{self.component}/{self.sel}.{measure}.count.csv"


@dataclass(frozen=True)
class Drop:
    """The accuracy drops of one model (or ``average``), selection and kind of ablation."""

    model: str
    component: str
    sel: str
    kind: str

    @property
    def _stem(self) -> str:
        return f"results/{self.model}/ablation/{self.component}/{self.sel}.{self.kind}"

    @property
    def path(self) -> str:
        """Where the contract puts the matrix."""
        return f"{self._stem}.accuracy_drop.csv"

    @property
    def count_path(self) -> str:
        """Beside an average: how many models each cell has."""
        return f"{self._stem}.accuracy_drop.count.csv"

    @property
    def overlap(self) -> Overlap:
        """The overlap matrices that belong to it."""
        return Overlap(self.model, self.component, self.sel)


@dataclass(frozen=True)
class Inventory:
    """Per-model matrices in the order of the config, and the averages over the models that are none."""

    overlaps: tuple[Overlap, ...]
    drops: tuple[Drop, ...]
    controls: tuple[str, ...]

    @classmethod
    def of(cls, study: Study, folders: dict[str, ResultsFolder]) -> Inventory:
        """``folders``: what lies in the results-only models' folders."""
        overlaps, drops = [], []
        selections, ablated = study.selection.names, study.ablated_selections
        for name in study.models:
            for component in study.attribution.components:
                for sel in selections:
                    if name not in folders or (component, sel) in folders[name].overlaps:
                        overlaps.append(Overlap(name, component, sel))
                for sel in ablated:
                    for kind in study.ablation.kinds:
                        measured = name in study.measured_models
                        if name in folders:
                            measured = (component, sel, kind) in folders[name].drops
                        if measured:
                            drops.append(Drop(name, component, sel, kind))
        return cls(tuple(overlaps), tuple(drops), study.controls)

    def to_params(self) -> dict[str, Any]:
        """Plain values, as rules carry them to their scripts."""
        return {
            "overlaps": [astuple(one) for one in self.overlaps],
            "drops": [astuple(one) for one in self.drops],
            "controls": list(self.controls),
        }

    @classmethod
    def from_params(cls, values: dict[str, Any]) -> Inventory:
        """The inverse of ``to_params``."""
        return cls(
            tuple(Overlap(*one) for one in values["overlaps"]),
            tuple(Drop(*one) for one in values["drops"]),
            tuple(values["controls"]),
        )

    @property
    def files(self) -> list[str]:
        """Every matrix, averages included."""
        overlaps = [one.path(measure) for one in self.all_overlaps for measure in MEASURES]
        return overlaps + [one.path for one in self.all_drops]

    @overload
    def contributing(self, average: Overlap) -> list[Overlap]: ...
    @overload
    def contributing(self, average: Drop) -> list[Drop]: ...
    def contributing(self, average: Overlap | Drop) -> list[Overlap] | list[Drop]:
        """The per-model matrices that an average is taken over."""
        if isinstance(average, Overlap):
            return [one for one in self.overlaps if self._contributes(one, average)]
        return [one for one in self.drops if self._contributes(one, average)]

    def _contributes(self, one: Overlap | Drop, average: Overlap | Drop) -> bool:
        return one.model not in self.controls and _unit(one) == _unit(average)

    @property
    def average_overlaps(self) -> tuple[Overlap, ...]:
        """One for each component and selection that a model that is no control has."""
        keys = dict.fromkeys(_unit(one) for one in self.overlaps if one.model not in self.controls)
        return tuple(Overlap(AVERAGE, *key) for key in keys)

    @property
    def average_drops(self) -> tuple[Drop, ...]:
        """One for each component, selection and kind that a model that is no control has."""
        keys = dict.fromkeys(_unit(one) for one in self.drops if one.model not in self.controls)
        return tuple(Drop(AVERAGE, *key) for key in keys)

    @property
    def averaged_files(self) -> list[str]:
        """The per-model matrices that averages are taken over."""
        overlaps = [own for one in self.average_overlaps for own in self.contributing(one)]
        drops = [own for one in self.average_drops for own in self.contributing(one)]
        paths = [own.path(measure) for own in overlaps for measure in MEASURES]
        return paths + [own.path for own in drops]

    @property
    def average_files(self) -> list[str]:
        """The averages, and the counts beside them."""
        files = []
        for one in self.average_overlaps:
            for measure in MEASURES:
                files += [one.path(measure), one.count_path(measure)]
        for drop in self.average_drops:
            files += [drop.path, drop.count_path]
        return files

    @property
    def all_overlaps(self) -> tuple[Overlap, ...]:
        """Per model, then the averages."""
        return self.overlaps + self.average_overlaps

    @property
    def all_drops(self) -> tuple[Drop, ...]:
        """Per model, then the averages."""
        return self.drops + self.average_drops


def _unit(one: Overlap | Drop) -> tuple[str, ...]:
    """Everything but the model."""
    if isinstance(one, Overlap):
        return (one.component, one.sel)
    return (one.component, one.sel, one.kind)
