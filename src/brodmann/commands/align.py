"""``brodmann align``: units' activations for your stimuli, and how well each kind predicts recordings."""

from __future__ import annotations

import argparse
import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.commands.common import (
    chosen,
    mask_arguments,
    masked,
    open_masked,
    others,
    positive,
    study_arguments,
)
from brodmann.config.localizer import POOLINGS
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import write_text
from brodmann.localizers.alignment import Prediction, folds, predict, resampled
from brodmann.localizers.ceilings import (
    SPLIT_HALF,
    SUBJECTS,
    between_subjects,
    other_subjects,
    split_half,
)
from brodmann.localizers.recordings import Recordings, Stimuli, read_repeated, read_stimuli
from brodmann.localizers.stimulus_set import read_stimulus_set
from brodmann.sites import UNIT_SITES
from brodmann.store.tables import write_table

COLUMNS = ("condition", "seed", "n_units", "voxel", "n", "folds", "r", "penalty")
# What is added where there are lesions, and where there are noise ceilings.
LESIONED = ("lesion", "lesion_seed", "n_lesioned")
CEILED = ("ceiling", "normalised", "ceiling_by")
# The same of the summary: over voxels.
SUMMARY = ("condition", "seed", "n_units", "n", "folds", "n_voxels", "r", "low", "high")
CEILED_SUMMARY = ("n_ceilings", "normalised")
LOST = ("lost", "lost_low", "lost_high")
AUTO, NO_CEILING = "auto", "none"
CEILINGS = (AUTO, SPLIT_HALF, SUBJECTS, NO_CEILING)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, model=True)
    mask_arguments(parser)
    add = parser.add_argument
    says = ".txt, or .csv with text (and group), or a Brain-Score stimulus set (folder)"
    add("--stimuli", required=True, metavar="PATH", help=says)
    says = "recordings: a row per stimulus; several files are repeated measurements"
    add("--voxels", nargs="+", metavar="CSV", help=says)
    add("--out", required=True, metavar="DIR", help="where the tables go")
    add("--pooling", choices=POOLINGS, default="last-token")
    add("--folds", type=positive, default=5, metavar="N", help="default 5")
    add("--seeds", type=int, nargs="+", default=[42, 43, 44], help="of random units: 42 43 44")
    says = "noise ceiling, of repeated measurements or of subjects (default: what there is)"
    add("--ceiling", choices=CEILINGS, default=AUTO, help=says)
    says = "silence these units, too; random units of the same layers beside them"
    add("--lesion", metavar="CSV", help=says)


def run(options: argparse.Namespace) -> int:
    """Write the tables; a line for each result."""
    for line in align(*chosen(options), options):
        print(line, flush=True)
    print(f"The tables are in {options.out}")
    return 0


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


@dataclass(frozen=True)
class Ceilings:
    """The highest r that can be expected of each voxel, NaN where that is unknown; and how it was found."""

    values: np.ndarray
    by: str


# Condition, seed of the draw, flat units.
Condition = tuple[str, Any, np.ndarray]


def align(study: Study, name: str, options: argparse.Namespace) -> Iterator[str]:
    """Write activations.*.csv and, with recordings, alignment*.csv; yields a line for each result.

    ``options``: which units and stimuli, and how the prediction is tested. Folds are everybody's, drawn with
    the first seed.
    """
    stimuli, recordings = _given(options)
    n_groups = len(set(stimuli.groups))
    if recordings is not None and n_groups < max(2, options.folds):
        what = f"{n_groups} stimuli (or groups) cannot make {options.folds} folds"
        raise UserError.at(options.stimuli, what, "at least two folds, each with one of its own")
    by = _ceiling(options, recordings)
    units, origin = masked(options)
    if origin.site not in UNIT_SITES:
        what = "its units are attention heads, which have no activation of their own"
        raise UserError.at(options.mask, what, "a mask of neurons or of a localizer is needed")
    origins = {"mask": origin}
    if options.lesion is not None:
        silenced, origins["lesion"] = masked(options, "lesion")
    model = open_masked(study, name, options, **origins)
    width = model.width(origin.site)
    lesions = [Lesion()]
    if options.lesion is not None:
        lesions = _lesions(model, silenced, origins["lesion"].site, options)
    same = len({own.site for own in origins.values()}) == 1
    conditions = _conditions(model, units, lesions if same else [], origin.site, options)
    if recordings is not None and recordings.left_out:
        yield f"{recordings.left_out} voxels lack some recordings, and are left out"
    table = _Table(options, stimuli, recordings, by)
    for lesion in lesions:
        site = origins["lesion"].site if lesion.name else origin.site
        activations = _activations(study, model, origin.site, stimuli, options, lesion, site)
        yield from table.add(lesion, conditions, activations, width)
    yield from table.write()


def _given(options: argparse.Namespace) -> tuple[Stimuli, Recordings | None]:
    """Stimuli, and recordings if there are any; those of --voxels go before those of the folder."""
    if not Path(options.stimuli).is_dir():
        stimuli, recordings = read_stimuli(options.stimuli), None
    else:
        stimuli, recordings = read_stimulus_set(options.stimuli)
    if options.voxels is not None:
        recordings = read_repeated(options.voxels, len(stimuli.texts))
    return stimuli, recordings


def _ceiling(options: argparse.Namespace, recordings: Recordings | None) -> str:
    """Which noise ceiling there will be: that which is asked for, or that which recordings allow."""
    asked = options.ceiling
    repeated = recordings is not None and recordings.repeats is not None
    several = recordings is not None and len(recordings.subjects) > 0
    if asked == AUTO:
        if not repeated:
            return SUBJECTS if several else NO_CEILING
        return SUBJECTS if recordings is not None and recordings.by_subject else SPLIT_HALF
    if asked != NO_CEILING and not (repeated or (asked == SUBJECTS and several)):
        fix = "give --voxels a file for each measurement, or an assembly with repetition or subject"
        raise UserError.at(f"--ceiling {asked}", "there are no repeated measurements", fix)
    return str(asked)


def _lesions(
    model: Any, units: Sequence[tuple[int, int]], site: str, options: argparse.Namespace
) -> list[Lesion]:
    """The intact model, the lesion, and as many random units of the same layers for each seed."""
    from brodmann.circuits.controls import layer_matched
    from brodmann.localizers.lesion import lesion

    with lesion(model, units, site=site):
        pass  # a mask that does not fit the model is named at once
    shape = (model.n_layers, model.units(site))
    flat = sorted({layer * shape[1] + unit for layer, unit in units})
    found = [Lesion("intact"), Lesion("lesion", "", tuple(divmod(n, shape[1]) for n in flat))]
    for seed in dict.fromkeys(options.seeds):
        drawn, missing = layer_matched(flat, shape, seed, model.name)
        if missing:
            what = f"{missing} of its units have no other unit of their layer beside them"
            fix = "a lesion of at most half of a layer's units has random lesions of its size"
            raise UserError.at(options.lesion, what, fix)
        found.append(Lesion("random", seed, tuple(divmod(n, shape[1]) for n in drawn)))
    return found


def _conditions(
    model: Any,
    units: Sequence[tuple[int, int]],
    lesions: Sequence[Lesion],
    site: str,
    options: argparse.Namespace,
) -> list[Condition]:
    """The units that predict: the mask's, and as many random ones for each seed.

    ``lesions``: those of the same site. What any of them silences is constant under it, and would tell of
    nothing but itself: it is left out of all conditions.
    """
    from brodmann.localizers.lesion import lesion

    with lesion(model, units, site=site):
        pass  # a mask that does not fit the model is named at once
    width = model.width(site)
    silenced = {layer * width + unit for own in lesions for layer, unit in own.units}
    own = [layer * width + unit for layer, unit in units]
    kept = np.array([unit for unit in own if unit not in silenced], dtype=np.int64)
    if not len(kept):
        what = "all its units are silenced by a lesion, so that none is left to predict with"
        raise UserError.at(options.mask, what, "give --mask other units than --lesion")
    conditions: list[Condition] = [("localized", "", kept)]
    for seed in dict.fromkeys(options.seeds):
        drawn = others([*own, *sorted(silenced)], model.n_layers * width, seed)[: len(kept)]
        if len(drawn):
            conditions.append(("random", seed, np.sort(drawn)))
    return conditions


def _activations(
    study: Study,
    model: Any,
    site: str,
    stimuli: Stimuli,
    options: argparse.Namespace,
    silenced: Lesion,
    lesion_site: str,
) -> np.ndarray:
    """Of all units of ``site``, pooled over each stimulus: float64 [stimuli, layers * units]."""
    from brodmann.localizers.lesion import lesion
    from brodmann.runner.activations import Activations
    from brodmann.runner.texts import encode_texts

    rows = encode_texts(model.tokenizer, stimuli.texts, where=options.stimuli)
    with lesion(model, silenced.units, site=lesion_site):
        source = Activations(model, site=site, batch_tokens=study.execution.batch_tokens)
        values = np.empty((len(rows), *source.shape))
        for numbers, some in source.pooled(rows, options.pooling):
            values[numbers] = some
    return values.reshape(len(rows), -1)


class _Table:
    """Gathers the rows of alignment.csv and of its summary, and writes activations as they come."""

    def __init__(
        self,
        options: argparse.Namespace,
        stimuli: Stimuli,
        recordings: Recordings | None,
        by: str = NO_CEILING,
    ) -> None:
        self.options, self.stimuli, self.recordings = options, stimuli, recordings
        self.rows: list[dict[str, Any]] = []
        self.means: list[Mean] = []
        self.ceilings: Ceilings | None = None
        if recordings is not None:
            self.fold = folds(stimuli.groups, options.folds, options.seeds[0])
            if by != NO_CEILING:
                self.ceilings = Ceilings(self._ceilings(recordings, by), by)

    def _ceilings(self, recordings: Recordings, by: str) -> np.ndarray:
        if by == SPLIT_HALF:
            assert recordings.repeats is not None
            return split_half(recordings.repeats, self.fold, seed=self.options.seeds[0])
        if recordings.repeats is not None and not recordings.subjects:
            return between_subjects(recordings.repeats, self.fold)
        return other_subjects(recordings.values, recordings.subjects, self.fold)

    def add(
        self, lesion: Lesion, conditions: Sequence[Condition], activations: np.ndarray, width: int
    ) -> Iterator[str]:
        """Each condition's activations under a lesion, and what they predict; a line for each."""
        for condition, seed, units in conditions:
            label = condition if seed == "" else f"{condition}-seed{seed}"
            label = f"{lesion.label}.{label}" if lesion.name else label
            self._write_activations(label, activations[:, units], units, width)
            if self.recordings is None:
                yield f"{label}: {len(units)} units, {len(self.stimuli.texts)} stimuli"
                continue
            found = predict(activations[:, units], self.recordings.values, self.fold)
            cells = {**lesion.cells, "condition": condition, "seed": seed, "n_units": len(units)}
            mean = self._take(cells, found, self.recordings.names)
            yield f"{label}: {len(units)} units, {mean.said}"

    def _take(self, cells: dict[str, Any], found: Prediction, voxels: Sequence[str]) -> Mean:
        """Note a row per voxel; gives their mean."""
        common = {**cells, "n": len(self.stimuli.texts), "folds": self.options.folds}
        rows: list[dict[str, Any]] = [
            {**common, "voxel": voxel, "r": float(r), "penalty": float(penalty)}
            for voxel, r, penalty in zip(voxels, found.r, found.penalty, strict=True)
        ]
        ceiled: tuple[int, float] | None = None
        if self.ceilings is not None:
            normalised = found.r / self.ceilings.values
            for row, ceiling, own in zip(rows, self.ceilings.values, normalised, strict=True):
                row |= dict(
                    zip(CEILED, (float(ceiling), float(own), self.ceilings.by), strict=True)
                )
            kept = normalised[np.isfinite(normalised)]
            ceiled = len(kept), float(np.median(kept)) if len(kept) else math.nan
        self.rows += rows
        seed = self.options.seeds[0]
        draws = resampled(found, self.fold, self.stimuli.groups, seed=seed)
        known = found.r[np.isfinite(found.r)]
        r = float(known.mean()) if len(known) else math.nan
        first = next((one for one in self.means if one.pairs_with(cells)), None)
        self.means.append(Mean(common, len(known), r, draws, ceiled, first))
        return self.means[-1]

    def _write_activations(
        self, label: str, values: np.ndarray, units: np.ndarray, width: int
    ) -> None:
        table = io.StringIO()
        lines = csv.writer(table, lineterminator="\n")
        lines.writerow(
            ["stimulus", *(f"{unit // width}.{unit % width}" for unit in units.tolist())]
        )
        for number, row in enumerate(values):
            lines.writerow([number, *(f"{value:.9g}" for value in row)])
        write_text(Path(self.options.out) / f"activations.{label}.csv", table.getvalue())

    def write(self) -> Iterator[str]:
        """alignment.csv and its summary, if there are recordings; with lesions, a line that sets them side
        by side."""
        if not self.rows:
            return
        out, lesioned = Path(self.options.out), "lesion" in self.rows[0]
        kept, ceiled = LESIONED if lesioned else (), CEILED if self.ceilings is not None else ()
        write_table(out / "alignment.csv", self.rows, (*kept, *COLUMNS, *ceiled))
        columns = [*kept, *SUMMARY, *(CEILED_SUMMARY if ceiled else ()), *(LOST if kept else ())]
        write_table(out / "alignment_summary.csv", [one.row for one in self.means], columns)
        if lesioned:
            yield _compared([one for one in self.means if one.cells["condition"] == "localized"])


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of r over voxels, with those of resampled stimuli; and what the same units have intact."""

    cells: dict[str, Any]
    n_voxels: int
    r: float
    draws: np.ndarray
    ceiled: tuple[int, float] | None  # voxels that have a ceiling, and the median share of it
    intact: Mean | None = None

    def pairs_with(self, cells: Mapping[str, Any]) -> bool:
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
    return f"[{low:.3f}, {high:.3f}]"


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
