"""``brodmann align``: units' activations for your stimuli, and how well each kind predicts recordings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
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
from brodmann.localizers.aligned import Aligned, Condition, Lesion
from brodmann.localizers.alignment import folds
from brodmann.localizers.ceilings import SPLIT_HALF, SUBJECTS, Ceilings
from brodmann.localizers.recordings import Recordings, Stimuli, read_repeated, read_stimuli
from brodmann.localizers.stimulus_set import read_stimulus_set
from brodmann.sites import UNIT_SITES

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
    says = "how tokens of a text become one value (default last-token)"
    add("--pooling", choices=POOLINGS, default="last-token", help=says)
    add(
        "--folds", type=positive, default=5, metavar="N", help="folds of the regression (default 5)"
    )
    says = "seeds of random units (default 42 43 44)"
    add("--seeds", type=int, nargs="+", default=[42, 43, 44], metavar="N", help=says)
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


def align(study: Study, name: str, options: argparse.Namespace) -> Iterator[str]:
    """Write activations.*.csv and, with recordings, alignment*.csv; yields a line for each result.

    ``options``: which units and stimuli, and how the prediction is tested. Folds are everybody's, drawn with
    the first seed.
    """
    stimuli, recordings = _given(options)
    n_groups = len(set(stimuli.groups))
    if recordings is not None and not 2 <= options.folds <= n_groups:
        what = f"{n_groups} stimuli (or groups) in {options.folds} folds cannot be predicted"
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
    table = _table(stimuli, recordings, by, options)
    for lesion in lesions:
        site = origins["lesion"].site if lesion.name else origin.site
        activations = _activations(study, model, origin.site, stimuli, options, lesion, site)
        yield from table.add(lesion, conditions, activations, width)
    yield from table.write()


def _table(
    stimuli: Stimuli, recordings: Recordings | None, by: str, options: argparse.Namespace
) -> Aligned:
    """The empty tables; folds and ceilings are the same for all that comes into them."""
    out, seed = Path(options.out), options.seeds[0]
    if recordings is None:
        return Aligned(out, stimuli)
    fold = folds(stimuli.groups, options.folds, seed)
    ceilings = Ceilings.of(recordings, by, fold, seed) if by != NO_CEILING else None
    return Aligned(out, stimuli, recordings, fold, ceilings, seed)


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
    there = model.population(site)
    flat = sorted({layer * there.width + unit for layer, unit in units})
    found = [Lesion("intact"), Lesion("lesion", "", tuple(divmod(n, there.width) for n in flat))]
    for seed in dict.fromkeys(options.seeds):
        drawn, missing = layer_matched(flat, there, seed, model.name)
        if missing:
            what = f"{missing} of its units have no other unit of their layer beside them"
            fix = "a lesion of at most half of a layer's units has random lesions of its size"
            raise UserError.at(options.lesion, what, fix)
        found.append(Lesion("random", seed, tuple(divmod(n, there.width) for n in drawn)))
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
    there, width = model.population(site), model.width(site)
    silenced = {layer * width + unit for own in lesions for layer, unit in own.units}
    own = [layer * width + unit for layer, unit in units]
    kept = np.array([unit for unit in own if unit not in silenced], dtype=np.int64)
    if not len(kept):
        what = "all its units are silenced by a lesion, so that none is left to predict with"
        raise UserError.at(options.mask, what, "give --mask other units than --lesion")
    conditions = [Condition("localized", "", kept)]
    taken = [*own, *sorted(silenced)]
    for seed in dict.fromkeys(options.seeds):
        drawn = others(taken, there, seed)[: len(kept)]
        if len(drawn):
            conditions.append(Condition("random", seed, np.sort(drawn)))
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
