"""Which matrices a study will hold, of which models: known from the config and from file names alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from brodmann.config.study import Study
from brodmann.models.results_folder import ResultsFolder

MEASURES = ("containment", "jaccard", "doubly_stochastic")
DROP = "accuracy_drop"
AVERAGE = "average"
# All models together, in tables that have a row for each model otherwise.
ALL = "all"


@dataclass(frozen=True)
class Matrix:
    """The matrices of one model (or ``average``) and selection: overlaps, or drops of a kind of ablation."""

    model: str
    component: str
    sel: str
    kind: str = ""  # of ablation; empty for overlaps

    @property
    def measures(self) -> tuple[str, ...]:
        """What there is a matrix of; the first is what figures and regressions take."""
        return (DROP,) if self.kind else MEASURES

    def path(self, measure: str = "") -> str:
        """Where the contract puts the matrix."""
        folder, stem = (
            ("ablation", f"{self.sel}.{self.kind}") if self.kind else ("overlap", self.sel)
        )
        measure = measure or self.measures[0]
        return f"results/{self.model}/{folder}/{self.component}/{stem}.{measure}.csv"

    def count_path(self, measure: str = "") -> str:
        """Beside an average: how many models each cell has."""
        return f"{self.path(measure).removesuffix('.csv')}.count.csv"

    @property
    def overlap(self) -> Matrix:
        """The overlap matrices that belong to it."""
        return replace(self, kind="")

    @property
    def group(self) -> tuple[str, ...]:
        """All but the model."""
        return (self.component, self.sel, self.kind)


@dataclass(frozen=True)
class Inventory:
    """Per-model matrices in the order of the config, and the averages over the models that are none."""

    overlaps: tuple[Matrix, ...]
    drops: tuple[Matrix, ...]
    controls: tuple[str, ...]
    twins: Mapping[str, str] = field(
        default_factory=dict
    )  # untrained model -> the same one trained

    @classmethod
    def of(cls, study: Study, folders: dict[str, ResultsFolder]) -> Inventory:
        """``folders``: what lies in the results-only models' folders."""
        overlaps, drops = [], []
        selections, ablated = study.selection.names, study.ablated_selections
        for name in study.models:
            for component in study.attribution.components:
                for sel in selections:
                    if name not in folders or (component, sel) in folders[name].overlaps:
                        overlaps.append(Matrix(name, component, sel))
                for sel in ablated:
                    for kind in study.ablation.kinds:
                        measured = name in study.measured_models
                        if name in folders:
                            measured = (component, sel, kind) in folders[name].drops
                        if measured:
                            drops.append(Matrix(name, component, sel, kind))
        return cls(tuple(overlaps), tuple(drops), study.controls, study.trained_twins)

    def to_params(self) -> dict[str, Any]:
        """Plain values, as rules carry them to their scripts."""
        return {
            "overlaps": [astuple(one)[:3] for one in self.overlaps],
            "drops": [astuple(one) for one in self.drops],
            "controls": list(self.controls),
            "twins": dict(self.twins),
        }

    @classmethod
    def from_params(cls, values: dict[str, Any]) -> Inventory:
        """The inverse of ``to_params``."""
        return cls(
            tuple(Matrix(*one) for one in values["overlaps"]),
            tuple(Matrix(*one) for one in values["drops"]),
            tuple(values["controls"]),
            dict(values["twins"]),
        )

    @property
    def files(self) -> list[str]:
        """Every matrix, averages included: a run that makes tables makes all of them."""
        overlaps = (*self.overlaps, *self.average_overlaps)
        return _paths((*overlaps, *self.drops, *self.average_drops))

    def contributing(self, average: Matrix) -> list[Matrix]:
        """The per-model matrices that an average is taken over."""
        own = [one for one in (*self.overlaps, *self.drops) if one.model not in self.controls]
        return [one for one in own if one.group == average.group]

    @property
    def average_overlaps(self) -> tuple[Matrix, ...]:
        """One for each component and selection that a model that is no control has."""
        return self._averages(self.overlaps)

    @property
    def average_drops(self) -> tuple[Matrix, ...]:
        """One for each component, selection and kind that a model that is no control has."""
        return self._averages(self.drops)

    def _averages(self, matrices: tuple[Matrix, ...]) -> tuple[Matrix, ...]:
        groups = dict.fromkeys(one.group for one in matrices if one.model not in self.controls)
        return tuple(Matrix(AVERAGE, *group) for group in groups)

    @property
    def averages(self) -> tuple[Matrix, ...]:
        """Of overlaps, then of drops."""
        return self.average_overlaps + self.average_drops

    @property
    def averaged_files(self) -> list[str]:
        """The per-model matrices that averages are taken over."""
        return _paths(own for one in self.averages for own in self.contributing(one))

    @property
    def average_files(self) -> list[str]:
        """The averages, and the counts beside them."""
        places = [(one, measure) for one in self.averages for measure in one.measures]
        return [file for one, m in places for file in (one.path(m), one.count_path(m))]

    @property
    def several(self) -> bool:
        """Whether averages are of several models. One of a single model is that model: tests would count
        twice among those that are corrected together."""
        models = {one.model for one in (*self.overlaps, *self.drops)}
        return len(models.difference(self.controls)) > 1

    @property
    def all_overlaps(self) -> tuple[Matrix, ...]:
        """Per model, then the averages of several."""
        return self.overlaps + (self.average_overlaps if self.several else ())

    @property
    def all_drops(self) -> tuple[Matrix, ...]:
        """Per model, then the averages of several."""
        return self.drops + (self.average_drops if self.several else ())

    @property
    def every(self) -> tuple[Matrix, ...]:
        """Those that are tested and shown: overlaps, then drops."""
        return self.all_overlaps + self.all_drops


def _paths(matrices: Iterable[Matrix]) -> list[str]:
    return [one.path(measure) for one in matrices for measure in one.measures]
