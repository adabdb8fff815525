"""Circuits among the experts of a mixture: a table for each model, and the tests of all models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.circuits.masks import Mask, read_mask
from brodmann.config.study import Study
from brodmann.models.card import ModelCard
from brodmann.significance.fdr import with_q
from brodmann.sites import COMPONENTS
from brodmann.statistics.experts import SIMILARITY, Mixture, Profiles
from brodmann.store.tables import write_table
from brodmann.tasks.catalogue import domain_of

NEURONS = "neurons"
SHARES = ("task", "domain", "layer", "expert", "n", "share", "score")
COLUMNS = (
    *("model", "control", "sel", "measure", "n", "n_units", "value", "within", "across", "null"),
    *("p", "q", "permutations", "seed", "method"),
)
_METHOD = "neurons of each layer dealt out to its experts anew, for all tasks at once, one-sided"


def write_profiles(
    study: Study, *, model_json: str, mask_folder: str, outputs: Sequence[str]
) -> None:
    """Rule ``expert_profiles``: what each circuit of every size has in each expert; else a header.

    ``outputs``: a file for each selection, which is its name. Units of layers without experts have none.
    """
    card = ModelCard.read(model_json)
    for output in outputs:
        rows: list[dict[str, object]] = []
        if card.experts is not None:
            for task, mask in _circuits(study, card, Path(mask_folder, Path(output).stem)):
                rows += _shares(card, task, mask)
        write_table(output, rows, SHARES)


def _circuits(study: Study, card: ModelCard, folder: Path) -> Iterator[tuple[str, Mask]]:
    """Of the tasks that have one."""
    width, origin = card.units(NEURONS), card.origin(COMPONENTS[NEURONS])
    for task in study.tasks.selected:
        mask = read_mask(folder / f"{task}.csv", width, origin)
        if len(mask):
            yield task, mask


def _shares(card: ModelCard, task: str, mask: Mask) -> Iterator[dict[str, object]]:
    expert_of = card.experts_at(COMPONENTS[NEURONS])
    assert expert_of is not None
    scores: dict[tuple[int, int | None], list[float]] = defaultdict(list)
    for unit, score in zip(mask.units.tolist(), mask.scores.tolist(), strict=True):
        layer, place = divmod(unit, mask.width)
        scores[layer, expert_of(layer, place)].append(score)
    for layer, expert in sorted(scores, key=lambda at: (at[0], -1 if at[1] is None else at[1])):
        own = scores[layer, expert]
        yield {
            "task": task,
            "domain": domain_of(task),
            "layer": layer,
            "expert": "" if expert is None else expert,
            "n": len(own),
            "share": len(own) / len(mask),
            "score": sum(own),
        }


def write_experts(study: Study, *, files: Mapping[str, str], output: str) -> None:
    """Rule ``expert_statistics``. ``files``: model -> its model.json, beside which its masks are."""
    rows: list[dict[str, Any]] = []
    for model, model_json in files.items():
        card = ModelCard.read(model_json)
        if card.experts is not None:
            rows += _tested(study, model, card, Path(model_json).parent / "masks" / NEURONS)
    write_table(output, with_q(rows), COLUMNS)


def _tested(study: Study, model: str, card: ModelCard, masks: Path) -> Iterator[dict[str, Any]]:
    shuffling = study.statistics.shuffling
    assert card.experts is not None
    mixture = Mixture.of(card.experts)
    for sel in study.selection.names:
        found = dict(_circuits(study, card, masks / sel))
        units = [np.stack(np.divmod(one.units, one.width), 1) for one in found.values()]
        profiles = Profiles.of(mixture, units, [domain_of(task) for task in found])
        within, across = profiles.within_and_across(profiles.counts(profiles.own))
        for measure, one in profiles.tested(**shuffling).items():
            yield {
                "model": model,
                "control": model in study.controls,
                "sel": sel,
                "measure": measure,
                "n": len(found),
                "n_units": len(profiles.units),
                "value": one.observed,
                **({"within": within, "across": across} if measure == SIMILARITY else {}),
                "null": one.null,
                "p": one.p,
                **shuffling,
                "method": _METHOD,
            }
