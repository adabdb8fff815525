"""Pooled activations of texts, off prefix trees: what texts begin with is run once.

A text's numbers do not depend on what else is in its tree, but for rounding. The model stops at the last
site: no logit is computed. Activations of all tokens are there for one layer at a time, and only pooled ones
are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from brodmann.errors import UserError, did_you_mean
from brodmann.models.load import LoadedModel
from brodmann.runner.encode import Ids
from brodmann.runner.engine import Engine
from brodmann.runner.footprint import MOST_POOLED
from brodmann.runner.pooling import pooled
from brodmann.runner.queries import Query
from brodmann.runner.trees import Tree
from brodmann.sites import UNIT_SITES


class Activations:
    """Runs texts through a model and gives the activations of one site in every layer."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        site: str = "block_output",
        batch_tokens: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        if site not in UNIT_SITES:
            raise UserError.at("site", f"no site '{site}'", did_you_mean(site, UNIT_SITES))
        model.require(site)
        self.model = model
        self.site = site
        self.engine = engine or Engine(model, batch_tokens)
        self.shape = (model.n_layers, model.width(site))

    def pooled(
        self,
        rows: Sequence[Ids],
        pooling: str,
        on_texts: Callable[[int], None] | None = None,
        *,
        absolute: bool = False,
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """(numbers of texts, float64 [texts, layers, units]), tree by tree; signs are kept, unless
        ``absolute`` values are pooled."""

        def add(tree: Tree, number: int) -> list[int]:
            return tree.add(rows[number])

        def run(tree: Tree, held: list[tuple[int, list[int]]]) -> tuple[list[int], np.ndarray]:
            layers = range(self.model.n_layers)
            texts = [nodes for _, nodes in held]
            read = pooled(self.site, layers, texts, pooling, absolute=absolute)
            [found] = self.engine.run(Query(tree, reads=[read])).reads
            values = torch.stack([found[layer].cpu() for layer in layers], dim=1)
            return [number for number, _ in held], values.numpy()

        order = self.engine.in_order(rows)
        most = max(1, MOST_POOLED // (self.shape[0] * self.shape[1]))
        for numbers, values in self.engine.each(order, add, run, most=most):
            yield numbers, values
            if on_texts is not None:
                on_texts(len(numbers))

    def first_not_finite(self, rows: Sequence[Ids], numbers: Sequence[int], pooling: str) -> int:
        """Which of some texts, one of which gave a value that is none, does so alone.

        In a tree such a value spreads to all other texts: keys that are not seen have a weight of 0, and 0
        times it is none, either.
        """
        for number in numbers:
            for _, alone in self.pooled([rows[number]], pooling):
                if not np.isfinite(alone).all():
                    return number
        return numbers[0]

    def means(self, rows: Sequence[Ids], *, absolute: bool = False) -> np.ndarray:
        """float64 [layers, units]: each unit's mean over a text's tokens, then over texts.

        ``absolute``: of its absolute values.
        """
        total = np.zeros(self.shape)
        for _, values in self.pooled(rows, "mean", absolute=absolute):
            total += values.sum(0)
        return total / len(rows)
