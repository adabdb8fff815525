"""Holds models that two processes share against the same in one: ``python shared_model.py FAMILY ...``.

A process of its own leads, as a job does: tests have long imported transformers in another way. Every
measurement (``measurements``) must give the same numbers, and so must a query that does all at once: it goes
on from a past, edits, scores, reads and differentiates at every site. ``FAMILY:bfloat16``: in another dtype.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
RANKS = 2
# Of the largest number that is compared. Of narrow dtypes log-probabilities are compared alone.
TOLERANCE = {"float64": 1e-5, "float32": 1e-5, "bfloat16": 0.1}


def main(families: list[str]) -> None:
    """Compare family after family; an error names what differs."""
    from brodmann.runner.ranks.leader import shared as share_out
    from brodmann.runner.ranks.meeting import announce

    announce(0, RANKS)
    import torch
    from tiny_mixtures import MIXTURES
    from tiny_models import FAMILIES, tiny_model, tiny_tokenizer

    from brodmann.models.load import load_model
    from brodmann.models.split import require_split

    torch.set_num_threads(1)
    for family, dtype in ((part[0], part[2] or "float64") for part in map(_parts, families)):
        with tempfile.TemporaryDirectory() as folder:
            tiny_model(FAMILIES.get(family) or MIXTURES[family]).save_pretrained(folder)
            tiny_tokenizer().save_pretrained(folder)
            options: dict[str, Any] = {
                **{"directory": folder, "name": family, "dtype": dtype, "device": "cpu"},
                **{"trust_remote_code": False, "wanted": ()},
            }
            require_split(folder, family, RANKS, False)
            shared = share_out("cpu", RANKS, RANKS, options)
            alone = load_model(**options)
            held = sum(
                p.to_local().numel() for p in shared.hf.parameters() if hasattr(p, "to_local")
            )
            assert 0 < held < 0.6 * alone.n_parameters, held
            assert shared.n_parameters == alone.n_parameters
            compare(family, shared, alone, TOLERANCE[dtype])
            shared.ranks.close()
            torch.distributed.destroy_process_group()
        print(f"{family} in {dtype}: the same", flush=True)


def _parts(family: str) -> tuple[str, str, str]:
    return family.partition(":")


def compare(family: str, shared: Any, alone: Any, tolerance: float) -> None:
    """Every measurement of the one and of the other."""
    from measurements import MEASUREMENTS
    from rounding import deviation

    from brodmann.sites import SITES

    # Neurons of experts are out of reach of several processes.
    sites = [site for site in SITES if site not in shared.missing]

    def engine_of(model: Any) -> list[Any]:
        found = everything_at_once(model, sites)
        return [value for name, value in found if tolerance <= 1e-5 or name.endswith("scores")]

    # Most measurements ask for neurons.
    every = tolerance <= 1e-5 and "mlp_hidden" in sites
    for measured in (engine_of, *MEASUREMENTS)[: None if every else 2]:
        found, expected = measured(shared), measured(alone)
        assert len(found) == len(expected) > 0
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            seen = deviation(one, other)
            assert seen <= tolerance, f"{family}, {measured.__name__} {number}: {seen:.2g}"


def everything_at_once(model: Any, sites: list[str]) -> Iterator[tuple[str, Any]]:
    """All that a query may ask, at these sites."""
    import numpy as np
    import torch

    from brodmann.runner.edits import edited
    from brodmann.runner.engine import Engine
    from brodmann.runner.queries import (
        FEATURES,
        Edit,
        Gradient,
        Outside,
        Query,
        Read,
        Scores,
        Start,
    )
    from brodmann.runner.trees import Tree

    engine, dice = Engine(model, 400), np.random.default_rng(0)
    layers = range(model.n_layers)
    begin = [tuple(map(int, dice.integers(5, 250, 6))) for _ in range(2)]
    more = [tuple(map(int, dice.integers(5, 250, 4))) for _ in range(4)]
    past = Tree()
    ends = [past.add(row)[-1] for row in begin]
    kept = engine.run(Query(past, keep=True)).past
    assert kept is not None
    tree = Tree(past=past)
    rows = [tree.add(row, hangs=ends[number % 2]) for number, row in enumerate(more)]
    last, first = [row[-1] for row in rows], [row[0] for row in rows]
    edits = []
    for site in sites:
        width = model.width(site)
        # Dimensions of both ranks, and all of them.
        some, values = dice.integers(0, width, 4), dice.normal(size=4)
        given = torch.from_numpy(some), torch.from_numpy(values)
        edits.append(Edit(site, 1, torch.tensor(first), *given))
        edits.append(
            Edit(
                site,
                2,
                torch.tensor(last[:1]),
                None,
                torch.from_numpy(dice.normal(size=(1, width))),
            )
        )
        lines, drawn = (torch.from_numpy(dice.normal(size=(2, width))) for _ in range(2))
        places = torch.tensor([0, 1]), drawn > 0, torch.tensor([1, 0])
        edits.append(Outside(site, 0, torch.tensor(first[:2]), lines, *places))
    whole = [Read(site, layers, last) for site in sites]
    part = [Read(site, [1], first, units={1: [0, 3, model.width(site) - 1]}) for site in sites]
    sums = [
        Read(site, [2], first, rows=[0, 0, 1, 1], weights=[0.1, 0.2, 0.3, 0.4]) for site in sites
    ]
    query = Query(
        tree,
        past=kept,
        scores=Scores(last + first, [5, 6, 7, 8, 20, 30, 40, 50]),
        reads=[*whole, *part, *sums, Read(FEATURES, [model.n_layers], last)],
        gradient=Gradient(
            [1, -1, 1, -1, 1, 1, -1, 0.5],
            [(site, layer) for layer in layers for site in sites],
            last,
        ),
        again=True,
    )
    plain = replace(query, gradient=None)
    queries = {
        "gradient": query,
        "again": query,
        "edited, gradient": replace(query, edits=edits),
        "edited": replace(plain, edits=edits),
        "plain": plain,
    }
    for name, asked in queries.items():
        answer = engine.run(asked)
        yield f"{name}: scores", answer.scores
        for number, read in enumerate(answer.reads):
            for layer, value in read.items():
                yield f"{name}: read {number} in layer {layer}", value
        for place in answer.gradients:
            yield f"{name}: gradient at {place}", answer.gradients[place]
            yield f"{name}: value at {place}", answer.values[place]
    narrow, number = engine.narrowed(kept, [ends[0]])
    other = Tree(past=narrow.tree)
    own = other.add(more[0], hangs=int(number[ends[0]]))
    yield "narrowed", engine.run(Query(other, past=narrow, scores=Scores(own, [1, 2, 3, 4]))).scores
    for site in sites:
        units = [(0, 0), (1, model.units(site) - 1), (2, model.units(site) // 2)]
        for how, amount in (("inhibit", None), ("multiply", 1.7), ("add", 0.3), ("hold", -0.4)):
            with (
                edited(model, units, how, amount, site=site),
                edited(model, units[:1], "add", 0.2, site=site),
            ):
                yield f"{site} {how}", engine.run(plain).scores
    fresh = Tree()
    paths = [fresh.add(begin[0] + row) for row in more]
    below = Read("block_output", [1], range(len(fresh)))
    hidden = engine.run(Query(fresh, reads=[below])).reads[0][1]
    scores = Scores([path[-1] for path in paths], [1, 2, 3, 4])
    assert not engine.packs or engine.skips
    yield "from a layer on", engine.run(Query(fresh, scores=scores, start=Start(2, hidden))).scores


if __name__ == "__main__":
    main(sys.argv[1:])
