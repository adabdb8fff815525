"""Where MLP neurons write: the link between circuits (neurons) and localized units (of the residual stream).

A neuron of layer l adds its activation times its write vector, a column of the MLP's output projection, to
the residual stream. Its *written share* on a set of units is the share of the vector's squared length that
lies on those units of its own layer's output: 1 if it writes on nothing else, and on average the share of the
layer's units that are in the set. A norm that some models apply to what the MLP puts out is left aside.

What a neuron *promotes* is read off its write vector by the logit lens (``runner.lens``). An active neuron
raises the logits of what it promotes and lowers those of what it suppresses; where its activation is
negative, it is the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from brodmann.models.load import LoadedModel
from brodmann.runner.lens import directions, lens, output_weights
from brodmann.runner.ranks.marked import on_all_ranks


@on_all_ranks
def written_share(model: LoadedModel, units: Iterable[tuple[int, int]]) -> np.ndarray:
    """Share of every neuron's write vector on ``units`` (layer, dimension): float32 [layers, neurons].

    NaN for layers whose MLP has no single output projection of that shape (mixtures of experts).
    """
    chosen: dict[int, list[int]] = {layer: [] for layer in range(model.n_layers)}
    for layer, unit in units:
        chosen[layer].append(unit)
    shares = np.full((model.n_layers, model.neurons_per_layer), np.nan, dtype=np.float32)
    for layer, own in chosen.items():
        with output_weights(model, "mlp_hidden", layer) as weight:
            if weight is None:
                continue
            squares = weight.float().square()  # [hidden, neurons]
        total = squares.sum(0)
        part = squares[own].sum(0) if own else torch.zeros_like(total)
        shares[layer] = torch.where(total > 0, part / total, torch.nan).cpu().numpy()
    return shares


@dataclass(frozen=True)
class Promoted:
    """What one neuron promotes and suppresses: tokens with the change of their logit, strongest first."""

    layer: int
    unit: int
    promotes: list[tuple[str, float]]
    suppresses: list[tuple[str, float]]


def promoted(
    model: LoadedModel, units: Sequence[tuple[int, int]], number: int
) -> Iterator[Promoted]:
    """The ``number`` tokens of both kinds, for each neuron (layer, unit).

    None for neurons without a write vector, or a model without a plain LM head.
    """
    vectors, _ = directions(model, "mlp_hidden", units)
    found = lens(model, vectors, number)
    for row, (layer, unit) in enumerate(units):
        if found is None or found.raised[row, 0] < 0:
            yield Promoted(layer, unit, [], [])
            continue
        raised, lowered = (
            [
                (str(model.tokenizer.decode([token])), change)
                for token, change in zip(tokens.tolist(), changes.tolist(), strict=True)
            ]
            for tokens, changes in (
                (found.raised[row], found.raised_by[row]),
                (found.lowered[row], found.lowered_by[row]),
            )
        )
        yield Promoted(layer, unit, raised, lowered)
