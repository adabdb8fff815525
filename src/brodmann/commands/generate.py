"""One prompt's continuation by a model: intact, lesioned, and with as many random units silenced."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.models.cache import Cache
from brodmann.models.sources import fetch
from brodmann.runner.loading import load


@dataclass(frozen=True)
class Wish:
    """What is to be continued, and how. At temperature 0 always the likeliest token follows."""

    prompt: str
    mask: str  # a file
    tokens: int
    temperature: float
    seed: int  # of sampling and of the random lesion
    site: str


def continuations(study: Study, name: str, wish: Wish) -> Iterator[tuple[str, str]]:
    """(condition, text) of the three conditions, each as soon as it is there."""
    import numpy as np

    from brodmann.localizers.selection import read_pairs

    units = read_pairs(wish.mask)
    if not units:
        raise UserError.at(wish.mask, "the mask has no units")
    entry = study.model(name)
    if entry.results_only:
        raise UserError.at(f"models.{name}.source", "a results source has no model to run")
    # What libraries say while loading is not the text that was asked for.
    logging.getLogger("transformers").setLevel(logging.ERROR)
    record = fetch(entry, Cache(study.execution.cache))
    model = load(study, name, record, os.cpu_count() or 1, wanted=(wish.site,))

    from brodmann.localizers.lesion import lesion
    from brodmann.runner.context import Reader
    from brodmann.runner.generation import continuation

    reader = Reader(model)
    width = model.width(wish.site)
    chosen = {layer * width + unit for layer, unit in units}
    rest = np.setdiff1d(np.arange(model.n_layers * width), list(chosen))
    count = min(len(chosen), len(rest))
    drawn = np.random.default_rng(wish.seed).choice(rest, size=count, replace=False)
    conditions = {
        "intact": [],
        f"lesioned ({len(chosen)} units)": units,
        f"random ({count} units, seed {wish.seed})": [divmod(n, width) for n in drawn.tolist()],
    }
    with lesion(model, units, site=wish.site):
        pass  # a mask that does not fit the model is named before anything is printed
    for condition, own in conditions.items():
        with lesion(model, own, site=wish.site):
            yield (
                condition,
                continuation(
                    reader,
                    wish.prompt,
                    tokens=wish.tokens,
                    temperature=wish.temperature,
                    seed=wish.seed,
                ),
            )
