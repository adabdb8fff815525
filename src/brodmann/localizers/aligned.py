"""The tables of ``brodmann align``: what units predict, voxel by voxel and on average, under lesions."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.files import write_text
from brodmann.localizers.alignment import Prediction, predict, resampled
from brodmann.localizers.ceilings import Ceilings
from brodmann.localizers.recordings import Recordings, Stimuli
from brodmann.store.tables import write_table

COLUMNS = ("condition", "seed", "n_units", "voxel", "n", "folds", "r", "penalty")
# What is added where there are lesions, and where there are noise ceilings.
LESIONED = ("lesion", "lesion_seed", "n_lesioned")
CEILED = ("ceiling", "normalised", "ceiling_by")
# The same of the summary: over voxels.
SUMMARY = ("condition", "seed", "n_units", "n", "folds", "n_voxels", "r", "low", "high")
CEILED_SUMMARY = ("n_ceilings", "normalised")
LOST = ("lost", "lost_low", "lost_high")


@dataclass(frozen=True)
class Lesion:
    """Units that are silenced while the model reads: of ``--lesion``, random ones, or none (intact)."""

    name: str = ""  # nothing where there are no lesions at all
    seed: Any = ""
    units: tuple[tuple[int, int], ...] = ()

    @property
    def label(self) -> str:
        """In lines and in names of files."""
        return self.name if self.seed == "" else f"{self.name}-seed{self.seed}"

    @property
    def cells(self) -> dict[str, Any]:
        """Its columns, if there are lesions."""
        values = (self.name, self.seed, len(self.units))
        return dict(zip(LESIONED, values, strict=True)) if self.name else {}


@dataclass(frozen=True, eq=False)
class Condition:
    """Units that predict: localized, or random ones of a seed."""

    name: str
    seed: Any
    units: np.ndarray  # flat

    @property
    def label(self) -> str:
        """In lines and in names of files."""
        return self.name if self.seed == "" else f"{self.name}-seed{self.seed}"


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of r over voxels, with those of resampled stimuli; and what the same units have intact."""

    cells: dict[str, Any]
    n_voxels: int
    r: float
    draws: np.ndarray
    ceiled: tuple[int, float] | None  # voxels that have a ceiling, and the median share of it
    intact: Mean | None = None

    def is_intact(self, cells: Mapping[str, Any]) -> bool:
        """Whether it is of the intact model, and of the units of these cells."""
        same = all(self.cells[name] == cells[name] for name in ("condition", "seed"))
        return self.cells.get("lesion") == "intact" and same

    @property
    def lost(self) -> tuple[float, float, float]:
        """By how much it lies below the intact model's, with its interval."""
        if self.intact is None:
            return math.nan, math.nan, math.nan
        return (self.intact.r - self.r, *interval(self.intact.draws - self.draws))

    @property
    def row(self) -> dict[str, Any]:
        """In the summary."""
        low, high = interval(self.draws)
        found = {**self.cells, "n_voxels": self.n_voxels, "r": self.r, "low": low, "high": high}
        if self.ceiled is not None:
            found |= dict(zip(CEILED_SUMMARY, self.ceiled, strict=True))
        return {**found, **dict(zip(LOST, self.lost, strict=True))}

    @property
    def said(self) -> str:
        """On the terminal."""
        if not self.n_voxels:
            return "r is not defined over 0 voxels"
        said = (
            f"mean r = {self.r:.3f} {_between(*interval(self.draws))} over {self.n_voxels} voxels"
        )
        if self.ceiled is None:
            return said
        number, share = self.ceiled
        return f"{said}; {share:.3f} of the ceiling (median of {number} voxels)"


def interval(draws: np.ndarray) -> tuple[float, float]:
    """95 %; NaN where nothing is known."""
    known = draws[np.isfinite(draws)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, (0.025, 0.975)).tolist()
    return low, high


def _between(low: float, high: float) -> str:
    if math.isnan(low):
        return "(no interval: a fold holds a single stimulus or group; fewer --folds hold more)"
    return f"[{low:.3f}, {high:.3f}]"


@dataclass
class Aligned:
    """Gathers the rows of alignment.csv and of its summary, and writes activations as they come.

    Without recordings there are activations only. ``fold``: of every stimulus; ``seed``: of resamples.
    """

    out: Path
    stimuli: Stimuli
    recordings: Recordings | None = None
    fold: np.ndarray = field(default_factory=lambda: np.empty(0))
    ceilings: Ceilings | None = None
    seed: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    means: list[Mean] = field(default_factory=list)

    def add(
        self, lesion: Lesion, conditions: Sequence[Condition], activations: np.ndarray, width: int
    ) -> Iterator[str]:
        """Each condition's activations under a lesion, and what they predict; a line for each.

        ``activations`` [stimuli, layers * width].
        """
        for one in conditions:
            label = f"{lesion.label}.{one.label}" if lesion.name else one.label
            own = activations[:, one.units]
            self._write_activations(label, own, one.units, width)
            if self.recordings is None:
                yield f"{label}: {len(one.units)} units, {len(own)} stimuli"
                continue
            found = predict(own, self.recordings.values, self.fold)
            cells = {"condition": one.name, "seed": one.seed, "n_units": len(one.units)}
            mean = self._take({**lesion.cells, **cells}, found, self.recordings.names)
            yield f"{label}: {len(one.units)} units, {mean.said}"

    def _take(self, cells: dict[str, Any], found: Prediction, voxels: Sequence[str]) -> Mean:
        """Note a row per voxel; gives their mean."""
        common = {**cells, "n": len(self.stimuli.texts), "folds": len(np.unique(self.fold))}
        rows: list[dict[str, Any]] = [
            {**common, "voxel": voxel, "r": float(r), "penalty": float(penalty)}
            for voxel, r, penalty in zip(voxels, found.r, found.penalty, strict=True)
        ]
        ceiled: tuple[int, float] | None = None
        if self.ceilings is not None:
            normalised = found.r / self.ceilings.values
            for row, ceiling, own in zip(rows, self.ceilings.values, normalised, strict=True):
                values = (float(ceiling), float(own), self.ceilings.by)
                row |= dict(zip(CEILED, values, strict=True))
            kept = normalised[np.isfinite(normalised)]
            ceiled = len(kept), float(np.median(kept)) if len(kept) else math.nan
        self.rows += rows
        draws = resampled(found, self.fold, self.stimuli.groups, seed=self.seed)
        known = found.r[np.isfinite(found.r)]
        r = float(known.mean()) if len(known) else math.nan
        intact = next((one for one in self.means if one.is_intact(cells)), None)
        self.means.append(Mean(common, len(known), r, draws, ceiled, intact))
        return self.means[-1]

    def _write_activations(
        self, label: str, values: np.ndarray, units: np.ndarray, width: int
    ) -> None:
        table = io.StringIO()
        lines = csv.writer(table, lineterminator="\n")
        places = (f"{unit // width}.{unit % width}" for unit in units.tolist())
        lines.writerow(["stimulus", *places])
        for number, row in enumerate(values):
            lines.writerow([number, *(f"{value:.9g}" for value in row)])
        write_text(self.out / f"activations.{label}.csv", table.getvalue())

    def write(self) -> Iterator[str]:
        """alignment.csv and its summary, if there are recordings; with lesions, a line that compares them."""
        if not self.rows:
            return
        lesioned = LESIONED if "lesion" in self.rows[0] else ()
        ceiled = self.ceilings is not None
        columns = (*lesioned, *COLUMNS, *(CEILED if ceiled else ()))
        write_table(self.out / "alignment.csv", self.rows, columns)
        columns = (*lesioned, *SUMMARY, *(CEILED_SUMMARY if ceiled else ()))
        columns += LOST if lesioned else ()
        write_table(self.out / "alignment_summary.csv", [one.row for one in self.means], columns)
        if lesioned:
            yield _compared([one for one in self.means if one.cells["condition"] == "localized"])


def _compared(localized: Sequence[Mean]) -> str:
    """What the lesion costs, beside random ones; with how often chance alone would put it beyond them."""
    own, *random = localized[1:]
    lost, low, high = own.lost
    drops = [one.lost[0] for one in random]
    number, beyond = len(drops), sum(lost > drop for drop in drops)
    said = (
        f"The lesion of {own.cells['n_lesioned']} units costs {lost:.3f} of r {_between(low, high)}"
    )
    between = f"{min(drops):.3f} to {max(drops):.3f}" if number > 1 else f"{drops[0]:.3f}"
    said += f"; {number} random lesions of the same layers cost {between}"
    chance = f" (as 1 in {number + 1} would by chance)" if beyond == number else ""
    return f"{said}: more than {beyond} of {number} draws{chance}"
