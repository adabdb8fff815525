"""``brodmann align``: units' activations for your stimuli, and how well each kind predicts recordings."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
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
from brodmann.files import read_text, write_text
from brodmann.sites import UNIT_SITES
from brodmann.store.masks import Origin
from brodmann.store.tables import write_table

COLUMNS = ("condition", "seed", "n_units", "voxel", "n", "folds", "r", "penalty")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, model=True)
    mask_arguments(parser)
    add = parser.add_argument
    add("--stimuli", required=True, help=".txt, or .csv with text (and group)")
    add("--voxels", metavar="CSV", help="recordings: a row per stimulus")
    add("--out", required=True, metavar="DIR", help="where the tables go")
    add("--pooling", choices=POOLINGS, default="last-token")
    add("--folds", type=positive, default=5, metavar="N", help="default 5")
    add("--seeds", type=int, nargs="+", default=[42, 43, 44], help="of random units: 42 43 44")


def run(options: argparse.Namespace) -> int:
    """Write the tables; a line for each result."""
    for line in align(*chosen(options), options):
        print(line, flush=True)
    print(f"The tables are in {options.out}")
    return 0


@dataclass(frozen=True)
class Stimuli:
    """A user's texts, and which of them belong together (by default none)."""

    texts: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Recordings:
    """Stimuli x voxels, in the stimuli's order."""

    names: tuple[str, ...]
    values: np.ndarray  # float64 [stimuli, voxels]


def read_stimuli(path: str | Path) -> Stimuli:
    """A text a line, or a CSV file with a column ``text`` and, if it likes, ``group``."""
    content = read_text(path, "utf-8-sig")
    if not str(path).lower().endswith(".csv"):
        texts = [line.strip() for line in content.splitlines() if line.strip()]
        return _stimuli(path, texts, None)
    rows = list(csv.DictReader(io.StringIO(content)))
    if not rows or rows[0].get("text") is None:
        raise UserError.at(str(path), "there is no column text", "or give a .txt, one text a line")
    for number, row in enumerate(rows, start=2):
        if not (row["text"] or "").strip():
            raise UserError.at(str(path), f"line {number} has no text")
    grouped = "group" in rows[0]
    return _stimuli(
        path, [r["text"] for r in rows], [r["group"] for r in rows] if grouped else None
    )


def _stimuli(path: str | Path, texts: list[str], groups: list[str] | None) -> Stimuli:
    if not texts:
        raise UserError.at(str(path), "there are no texts", "one a line")
    own = groups or [str(number) for number in range(len(texts))]
    return Stimuli(tuple(texts), tuple(own))


def read_recordings(path: str | Path, n_stimuli: int) -> Recordings:
    """A CSV file with a header: a row per stimulus, a column per voxel; a column ``stimulus`` is left out."""
    rows = list(csv.reader(io.StringIO(read_text(path, "utf-8-sig"))))
    header = rows[0] if rows else []
    kept = [number for number, name in enumerate(header) if name.strip() not in ("", "stimulus")]
    if not kept:
        raise UserError.at(str(path), "there are no voxels", "a header, then a row per stimulus")
    if len(rows) - 1 != n_stimuli:
        raise UserError.at(str(path), f"{len(rows) - 1} rows for {n_stimuli} stimuli")
    values = np.empty((n_stimuli, len(kept)))
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise UserError.at(str(path), f"line {line} has {len(row)} cells, not {len(header)}")
        for place, number in enumerate(kept):
            try:
                values[line - 2, place] = float(row[number])
            except ValueError:
                values[line - 2, place] = np.nan
            if not np.isfinite(values[line - 2, place]):
                what = f"line {line}, column {header[number]}: '{row[number]}' is no number"
                raise UserError.at(str(path), what, "leave out stimuli that were not recorded")
    return Recordings(tuple(header[number] for number in kept), values)


def align(study: Study, name: str, options: argparse.Namespace) -> Iterator[str]:
    """Write activations.*.csv and, with recordings, alignment.csv; yields a line for each result.

    ``options``: which units and stimuli, and how the prediction is tested. Folds are everybody's, drawn with
    the first seed.
    """
    stimuli = read_stimuli(options.stimuli)
    recordings = None
    if options.voxels is not None:
        recordings = read_recordings(options.voxels, len(stimuli.texts))
    n_groups = len(set(stimuli.groups))
    if recordings is not None and n_groups < max(2, options.folds):
        what = f"{n_groups} stimuli (or groups) cannot make {options.folds} folds"
        raise UserError.at(options.stimuli, what, "at least two folds, each with one of its own")
    units, origin = masked(options)
    if origin.site not in UNIT_SITES:
        what = "its units are attention heads, which have no activation of their own"
        raise UserError.at(options.mask, what, "a mask of neurons or of a localizer is needed")
    activations, width = _activations(study, name, options, stimuli, units, origin)
    chosen = np.array([layer * width + unit for layer, unit in units])
    conditions: list[tuple[str, Any, np.ndarray]] = [("localized", "", chosen)]
    for seed in dict.fromkeys(options.seeds):
        drawn = others(chosen.tolist(), activations.shape[1], seed)
        conditions.append(("random", seed, np.sort(drawn)))
    yield from _written(options, conditions, activations, width, stimuli, recordings)


def _activations(
    study: Study,
    name: str,
    options: argparse.Namespace,
    stimuli: Stimuli,
    units: Sequence[tuple[int, int]],
    origin: Origin,
) -> tuple[np.ndarray, int]:
    """Of all units, pooled over each stimulus: float64 [stimuli, layers * units], and units per layer."""
    site, model = origin.site, open_masked(study, name, options, origin)

    from brodmann.localizers.lesion import lesion
    from brodmann.runner.activations import Activations
    from brodmann.runner.texts import encode_texts

    with lesion(model, units, site=site):
        pass  # a mask that does not fit the model is named at once
    rows = encode_texts(model.tokenizer, stimuli.texts, where=options.stimuli)
    source = Activations(model, site=site, batch_tokens=study.execution.batch_tokens)
    values = np.empty((len(rows), *source.shape))
    for numbers, some in source.pooled(rows, options.pooling):
        values[numbers] = some
    return values.reshape(len(rows), -1), source.shape[1]


def _written(
    options: argparse.Namespace,
    conditions: list[tuple[str, Any, np.ndarray]],
    activations: np.ndarray,
    width: int,
    stimuli: Stimuli,
    recordings: Recordings | None,
) -> Iterator[str]:
    from brodmann.localizers.alignment import folds, predict

    out, rows = Path(options.out), []
    for condition, seed, units in conditions:
        label = condition if seed == "" else f"{condition}-seed{seed}"
        table = io.StringIO()
        lines = csv.writer(table, lineterminator="\n")
        lines.writerow(
            ["stimulus", *(f"{unit // width}.{unit % width}" for unit in units.tolist())]
        )
        for number, row in enumerate(activations[:, units]):
            lines.writerow([number, *(f"{value:.9g}" for value in row)])
        write_text(out / f"activations.{label}.csv", table.getvalue())
        if recordings is None:
            yield f"{label}: {len(units)} units, {len(stimuli.texts)} stimuli"
            continue
        fold = folds(stimuli.groups, options.folds, options.seeds[0])
        found = predict(activations[:, units], recordings.values, fold)
        common = {"condition": condition, "seed": seed, "n_units": len(units)}
        common |= {"n": len(stimuli.texts), "folds": options.folds}
        rows += [
            {**common, "voxel": voxel, "r": float(r), "penalty": float(penalty)}
            for voxel, r, penalty in zip(recordings.names, found.r, found.penalty, strict=True)
        ]
        defined = found.r[np.isfinite(found.r)]
        shown = f"mean r = {defined.mean():.3f}" if len(defined) else "r is not defined"
        yield f"{label}: {len(units)} units, {shown} over {len(defined)} voxels"
    if rows:
        write_table(out / "alignment.csv", rows, COLUMNS)
