"""Ablation: what a model makes of items while some of its units are silenced.

A *lesion* is a set of units of one component, or level (``sites.LEVELS``). For every item the model runs on
prompt + answer with the lesion's units replaced at every position, by

- ``corrupted``: their activations at the same position of the intact run on the other prompt (the
  corrupted one) + the very answer that is being scored;
- ``zero``: zero;
- ``mean``: one value per unit, given by the caller.

Dual-answer items: lp(correct) and lp(incorrect) after the lesioned clean prompt. Single-answer items: both
prompts are lesioned, each with the other's activations; lp(answer) after the clean one, and the joint
log-probabilities of prompt + answer for both, up to what the two share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from brodmann.circuits.lesion_trees import KeptMeasurement, Measurement
from brodmann.circuits.lesions import DUAL, KINDS, SINGLE, Kept, Lesion
from brodmann.circuits.level_lesions import LevelMeasurement
from brodmann.models.load import LoadedModel
from brodmann.runner.encode import EncodedItem
from brodmann.runner.engine import Engine
from brodmann.runner.queries import Answer, Query, Read
from brodmann.runner.trees import Tree
from brodmann.sites import ALL_LEVELS, COMPONENTS

__all__ = ["DUAL", "KINDS", "SINGLE", "Ablator", "Kept", "Lesion"]


class Ablator:
    """Measures lesions of one component, or level, on one model."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        component: str = "neurons",
        batch_tokens: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        """``engine``: what runs the model, if not one of its own with ``batch_tokens``."""
        self.model = model
        self.component = component
        self.engine = engine if engine is not None else Engine(model, batch_tokens)

    def scores(
        self,
        items: Sequence[EncodedItem],
        lesions: Sequence[Lesion | Kept],
        kind: str,
        means: np.ndarray | None = None,
        on_rows: Callable[[int], object] | None = None,
        *,
        routes_held: bool = False,
    ) -> np.ndarray:
        """float64 [lesions, items, names]: log-probabilities under each lesion (names: DUAL or SINGLE).

        ``means`` [layers, units] is what ``mean`` writes. A lesion without units gives the intact values.
        Lesions are of some units, or all of them of all units but those that are ``Kept``. ``routes_held``:
        in a mixture of experts every token keeps the experts, and their weights, of the intact model.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind '{kind}'")
        measures = Measurement if self.component in COMPONENTS else LevelMeasurement
        if any(isinstance(one, Kept) for one in lesions):
            measures = KeptMeasurement
        measurement = measures(
            *(self.engine, self.component, items, lesions, kind, means), routes_held=routes_held
        )
        for rows in measurement.run():
            if on_rows is not None:
                on_rows(rows)
        return measurement.found

    def mean_activations(
        self, items: Sequence[EncodedItem], *, absolute: bool = False
    ) -> np.ndarray:
        """float64 [layers, units]: each unit's mean over the positions of the clean prompts, items alike.

        ``absolute``: of its absolute values.

        Heads: [layers, heads * head_dim]. Of levels with several sites, these are side by side.
        """
        sites, layers = ALL_LEVELS[self.component].sites, range(self.model.n_layers)
        total = [np.zeros((len(layers), self.model.width(site))) for site in sites]

        def add(tree: Tree, item: EncodedItem) -> list[int]:
            return tree.add(item.clean)

        def run(tree: Tree, held: list[tuple[EncodedItem, list[int]]]) -> Answer:
            weights = np.zeros(len(tree))
            for _, nodes in held:
                weights[nodes] += 1 / len(nodes)
            every, rows = list(range(len(tree))), [0] * len(tree)
            shares = weights.tolist()
            reads = [
                Read(site, layers, every, rows=rows, weights=shares, absolute=absolute)
                for site in sites
            ]
            return self.engine.run(Query(tree, reads=reads))

        order = self.engine.in_order([item.clean for item in items])
        for answer in self.engine.each([items[place] for place in order], add, run):
            for own, found in zip(total, answer.reads, strict=True):
                for layer, value in found.items():
                    own[layer] += value[0].cpu().numpy()
        return np.concatenate(total, axis=1) / len(items)
