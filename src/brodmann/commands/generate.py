"""``brodmann generate``: a prompt continued: intact, lesioned, and with as many random units silenced."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from brodmann.commands.common import chosen, number, open_model, positive, study_arguments
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.localizers.selection import read_pairs


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser)
    add = parser.add_argument
    add("--model", required=True, help="of the config, or a source (hf:ORG/NAME, ...)")
    add("--mask", required=True, metavar="CSV", help="units: columns layer and unit")
    add("--prompt", required=True)
    add("--tokens", type=positive, default=20, metavar="N", help="default 20")
    temperature = number("a number from 0 up", lambda value: 0 <= value < math.inf)
    add("--temperature", type=temperature, default=0.0, help="default 0: greedy")
    add("--seed", type=int, default=42, help="of sampling and random units: 42")


def run(options: argparse.Namespace) -> int:
    """The three continuations, each as soon as it is there."""
    study, name = chosen(options)
    site = study.localizer.site
    wish = Wish(
        options.prompt, options.mask, options.tokens, options.temperature, options.seed, site
    )
    for condition, text in continuations(study, name, wish):
        print(f"{condition}:\n  {options.prompt}|{text}", flush=True)
    return 0


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
    units = read_pairs(wish.mask)
    if not units:
        raise UserError.at(wish.mask, "the mask has no units")
    model, _ = open_model(study, name, wish.site)

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
