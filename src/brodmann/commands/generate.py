"""``brodmann generate``: a prompt continued: intact, lesioned, and with as many random units silenced."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

from brodmann.commands.common import (
    chosen,
    mask_arguments,
    masked,
    number,
    open_masked,
    others,
    positive,
    study_arguments,
)
from brodmann.config.study import Study


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, model=True)
    mask_arguments(parser)
    add = parser.add_argument
    add("--prompt", required=True, metavar="TEXT", help="the text that the model continues")
    add("--tokens", type=positive, default=20, metavar="N", help="tokens to write (default 20)")
    temperature = number("a number from 0 up", lambda value: 0 <= value < math.inf)
    add("--temperature", type=temperature, default=0.0, help="0 is greedy (default 0)")
    add("--seed", type=int, default=42, help="of sampling and of random units (default 42)")


def run(options: argparse.Namespace) -> int:
    """The three continuations, each as soon as it is there."""
    for condition, text in continuations(*chosen(options), options):
        print(f"{condition}:\n  {options.prompt}|{text}", flush=True)
    return 0


def continuations(study: Study, name: str, wish: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """(condition, text) of the three conditions, each as soon as it is there.

    ``wish``: the options. At temperature 0 always the likeliest token follows.
    """
    units, origin = masked(wish)
    site, model = origin.site, open_masked(study, name, wish, mask=origin)

    from brodmann.localizers.lesion import lesion
    from brodmann.runner.context import Reader
    from brodmann.runner.generation import continuation

    reader = Reader(model)
    there = model.population(site)
    width = there.width
    lesioned = sorted({layer * width + unit for layer, unit in units})
    drawn = others(lesioned, there, wish.seed)
    conditions = {
        "intact": [],
        f"lesioned ({len(lesioned)} units)": units,
        f"random ({len(drawn)} units, seed {wish.seed})": [
            divmod(n, width) for n in drawn.tolist()
        ],
    }
    with lesion(model, units, site=site):
        pass  # a mask that does not fit the model is named before anything is printed
    how = {"tokens": wish.tokens, "temperature": wish.temperature, "seed": wish.seed}
    for condition, own in conditions.items():
        with lesion(model, own, site=site):
            yield condition, continuation(reader, wish.prompt, **how)
