"""Do circuits write on localized units, and more than the circuits of an untrained model do on its own?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from brodmann.circuits.against_controls import paired_p
from brodmann.comparison.written import COLUMNS, DRAWS
from brodmann.report import verdicts
from brodmann.report.reliability import Reliability
from brodmann.report.sources import Sources
from brodmann.report.verdicts import ALPHA, Verdict
from brodmann.store.tables import read_table


@dataclass(frozen=True)
class Writing:
    """Of one localizer of a model. ``table``: the circuits that were tested, of ``circuits.csv``."""

    model: str
    network: str
    table: pd.DataFrame
    twin: str = ""  # the untrained control, if there is one
    other: pd.DataFrame | None = None  # its circuits
    reliability: float = float("nan")  # share of these that comes back
    draws: int = DRAWS

    @property
    def significant(self) -> int:
        """Circuits that write more on the units than random neurons of their layers do."""
        return _significant(self.table)

    @property
    def other_significant(self) -> int:
        """Of the untrained control's circuits."""
        return 0 if self.other is None else _significant(self.other)

    @property
    def excess(self) -> pd.Series:
        """Task by task: how many times as much as random neurons circuits write, less the untrained one's."""
        if self.other is None:
            return pd.Series(dtype=float)
        own, other = (one.set_index("task")["ratio"] for one in (self.table, self.other))
        found: pd.Series = (own - other).dropna()
        return found

    @property
    def p(self) -> float:
        """Of the excess (Wilcoxon's signed ranks over tasks, two-sided)."""
        return paired_p(self.excess, pd.Series(0.0, self.excess.index))

    @property
    def verdict(self) -> Verdict:
        """Whether circuits write on the units; an excess below 0 is none."""
        p = self.p if self.excess.median() > 0 else 1.0
        return verdicts.writing(
            self.significant,
            len(self.table),
            control=self.other is not None,
            p=p,
            reliability=self.reliability,
        )


def _significant(table: pd.DataFrame) -> int:
    return int((table["q"] < ALPHA).sum())


def writings(sources: Sources) -> Iterator[Writing]:
    """Every localizer of every model that is no control and whose circuits were set against its units."""
    study = sources.study
    if not study.localizer.networks or "neurons" not in study.attribution.components:
        return
    reliability = Reliability.at(sources, "neurons", study.selection.main_name)
    twins = {trained: name for name, trained in study.trained_twins.items()}
    for model in study.run_models:
        for network in () if model in study.controls else study.localizer.networks:
            own, twin = tested_circuits(sources, model, network), twins.get(model, "")
            other = tested_circuits(sources, twin, network) if twin in study.run_models else None
            if own is not None and len(own):  # none where both maps consist of neurons
                share = reliability.mean(twin)
                yield Writing(model, network, own, twin if other is not None else "", other, share)


def tested_circuits(sources: Sources, model: str, network: str) -> pd.DataFrame | None:
    """The circuits of a model that were set against a localizer's units; none where they cannot be."""
    path = sources.results / model / "localizer" / network / "circuits.csv"
    return read_table(path, COLUMNS).dropna(subset=["p"]) if path.is_file() else None
