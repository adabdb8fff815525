"""A model's signals over texts: the activations of one site at every token, in every chosen layer.

Texts lie in prefix trees: what they begin with is run once, and a text's numbers do not depend on what else
is in its tree, but for rounding. The model stops at the last layer that is asked for: no logit is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from brodmann.config.networks import NETWORK_SITES
from brodmann.errors import UserError, did_you_mean
from brodmann.models.load import LoadedModel
from brodmann.models.positions import learned_positions, require_positions
from brodmann.networks.signals import FileSignals, Layout, Signals, scratch
from brodmann.runner.bench import Bench
from brodmann.runner.encode import Ids
from brodmann.runner.engine import Engine
from brodmann.runner.footprint import MOST_READ
from brodmann.runner.peaks import Watch
from brodmann.runner.queries import Query, Read
from brodmann.runner.trees import Tree
from brodmann.sites import SITES

# What is found of a tree: its texts with their nodes, values [nodes, columns], and what else was read of it.
_Found = tuple[list[tuple[int, list[int]]], np.ndarray, list[dict[int, torch.Tensor]]]


class Extractor:
    """Runs texts through a model and gives one site's activations, token by token."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        site: str = "mlp_output",
        layers: Sequence[int] | None = None,
        drop_first: bool = False,
        without: Sequence[tuple[int, int]] = (),
        batch_tokens: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        """``without``: units, (layer, unit), that are no columns."""
        if site not in NETWORK_SITES:
            raise UserError.at(
                "networks.site", f"no site '{site}'", did_you_mean(site, NETWORK_SITES)
            )
        layers = tuple(range(model.n_layers)) if layers is None else tuple(sorted(layers))
        if layers[-1] >= model.n_layers:
            raise UserError.at(
                "networks.layers",
                f"{model.name} has no layer {layers[-1]}",
                f"its layers are 0 to {model.n_layers - 1}",
            )
        self.model = model
        model.require(site)
        self.site = site
        self.engine = engine or Engine(model, batch_tokens)
        left_out, there = tuple(without), model.population(site)
        self.layout = Layout(model.n_layers, layers, model.width(site), left_out, there)
        if not self.layout.n_columns:
            what = f"none of these layers of {model.name} has {SITES[site].label}"
            have = [layer for layer in range(model.n_layers) if model.has(site, layer)]
            fix = f"layers that have: {', '.join(map(str, have))}"
            raise UserError.at("networks.layers", what, fix)
        self.first = int(drop_first)
        self._positions = learned_positions(model.hf)

    @classmethod
    def of(cls, bench: Bench, without: Sequence[tuple[int, int]] = ()) -> Extractor:
        """Of a study's networks, in a pass over one of its models."""
        wanted = bench.study.networks.extraction()
        return cls(
            bench.model,
            site=wanted["site"],
            layers=wanted["layers"],
            drop_first=wanted["drop_first"],
            without=without,
            engine=bench.engine,
        )

    def tokens(self, row: Ids) -> int:
        """How many tokens of a text are kept."""
        return len(row) - self.first

    def one(self, row: Ids) -> np.ndarray:
        """A single text's activations: float32 [tokens, layers of the model, units]; perhaps no token."""
        [found] = [values for _, values in self.runs([row])] or [
            np.zeros((0, self.layout.n_columns), np.float32)
        ]
        return self.layout.place(found)

    def runs(
        self,
        rows: Sequence[Ids],
        on_texts: Callable[[int], None] | None = None,
        watch: Watch | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """(number of the text, float32 [tokens, columns]), text by text, in any order; nothing of a text of
        which no token is kept. ``watch``: what else is read of these texts in the same run."""
        longest = max(map(len, rows), default=0)
        require_positions(self._positions, longest, "networks.max_tokens", "lower it")

        def add(tree: Tree, number: int) -> list[int]:
            return tree.add(rows[number])

        def run(tree: Tree, held: list[tuple[int, list[int]]]) -> _Found:
            read = Read(self.site, self.layout.layers, range(len(tree)))
            more = [] if watch is None else watch.reads(len(tree))
            found, *beside = self.engine.run(Query(tree, reads=[read, *more])).reads
            # [nodes, layers, units] -> columns.
            values = torch.stack([found[n].float().cpu() for n in self.layout.layers], dim=1)
            flat = values.flatten(1).numpy()
            whole = self.layout.n_columns == flat.shape[1]
            return held, flat if whole else flat[:, self.layout.kept], beside

        numbers = [number for number in self.engine.in_order(rows) if self.tokens(rows[number]) > 0]
        columns = self.layout.n_columns + (0 if watch is None else watch.columns)
        share = min(1.0, MOST_READ / (self.engine.nodes * columns))
        for held, values, beside in self.engine.each(numbers, add, run, share=share):
            if watch is not None:
                watch.take(held, beside)
            for number, nodes in held:
                yield number, values[nodes[self.first :]]
            if on_texts is not None:
                on_texts(len(held))

    @contextmanager
    def concatenated(
        self,
        rows: Sequence[Ids],
        folder: str | Path,
        on_texts: Callable[[int], None] | None = None,
    ) -> Iterator[Signals]:
        """All texts' signals, one after another in their order; on disk in ``folder`` if they are many."""
        ends = np.cumsum([self.tokens(row) for row in rows])
        with scratch(int(ends[-1]), self.layout, folder) as signals:
            for number, value in self.runs(rows, on_texts):
                start = int(ends[number]) - len(value)
                if isinstance(signals, FileSignals):
                    signals.write(start, value)
                else:
                    signals.values[start : start + len(value)] = value
            yield signals
