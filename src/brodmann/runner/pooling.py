"""From a unit's activations at every token to one number per text."""

from __future__ import annotations

from collections.abc import Sequence

from brodmann.config.localizer import POOLINGS
from brodmann.runner.queries import Read


def pooled(
    site: str,
    layers: Sequence[int],
    texts: Sequence[Sequence[int]],
    pooling: str,
    *,
    absolute: bool = False,
) -> Read:
    """Asks for a row per text, in float64; ``texts``: the nodes of each text's tokens.

    Pooling comes before the absolute value: of a mean, the units' signs count, unless ``absolute`` values are
    pooled.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"unknown pooling '{pooling}'")
    counted = [nodes[-1:] if pooling == "last-token" else nodes for nodes in texts]
    return Read(
        site,
        layers,
        nodes=[node for nodes in counted for node in nodes],
        rows=[row for row, nodes in enumerate(counted) for _ in nodes],
        weights=[1 / len(nodes) for nodes in counted for _ in nodes] if pooling == "mean" else None,
        absolute=absolute,
    )
