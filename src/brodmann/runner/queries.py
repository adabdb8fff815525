"""What is asked of a model about the nodes of a prefix tree, and what it answers.

A query says everything that one run of a tree is to do: which units are edited where, which next tokens are
scored, which activations are read, what is differentiated. How the tree is run is the engine's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from brodmann.runner.trees import Tree

# (name of a site, layer)
Place = tuple[str, int]
# In place of a site: what enters the model's final norm. It stands above all layers, at the number of them.
FEATURES = "features"
# Likewise, what the embedding of tokens puts out: below all layers, at -1.
EMBEDDINGS = "embeddings"
# Likewise, the weights that a layer's experts have at a token, 0 of those that it is not sent to.
ROUTES = "routes"


@dataclass(frozen=True)
class Scores:
    """Log-probabilities that are asked for: of ``tokens[i]`` after ``nodes[i]``."""

    nodes: Sequence[int]
    tokens: Sequence[int]


@dataclass(frozen=True)
class Read:
    """Activations that are asked for: of ``nodes``, at one site in some layers.

    ``units``: layer -> dimensions, if not all. ``rows`` and ``weights``: what is given is not each node's
    value but weighted sums in float64, [max(rows) + 1, width]; node i is added to row ``rows[i]``.
    ``absolute``: of such sums, whether absolute values are summed.
    """

    site: str
    layers: Sequence[int]
    nodes: Sequence[int]
    units: Mapping[int, Sequence[int]] | None = None
    rows: Sequence[int] | None = None
    weights: Sequence[float] | None = None
    absolute: bool = False

    @property
    def n_rows(self) -> int:
        """How many sums are asked for."""
        return 1 + max(self.rows or (), default=-1)


@dataclass(frozen=True)
class Edit:
    """Values that a site is given: ``values[i]`` at dimension ``dimensions[i]`` of ``nodes[i]``.

    Without ``dimensions``, at all of them: ``values`` is [edits, width].
    """

    site: str
    layer: int
    nodes: torch.Tensor  # int64 [edits]
    dimensions: torch.Tensor | None  # int64 [edits]
    values: torch.Tensor  # [edits]


@dataclass(frozen=True)
class Outside:
    """Values that a site is given at all dimensions but those that are kept, which go on as they are.

    Node ``nodes[i]`` gets ``values[lines[i]]``, but for the dimensions of ``kept[sets[i]]``. What nodes have
    in common is held once: an edit of a whole layer, value by value, would take more room than the layer.
    """

    site: str
    layer: int
    nodes: torch.Tensor  # int64 [edits]
    values: torch.Tensor  # [lines, width]
    lines: torch.Tensor  # int64 [edits]
    kept: torch.Tensor  # bool [sets, width]
    sets: torch.Tensor  # int64 [edits]


@dataclass(frozen=True)
class Gradient:
    """The metric, a signed sum of the query's scores, is differentiated with respect to activations.

    ``signs``: one per score. ``nodes``: at which activations of ``places`` the gradient is given.
    ``through_routers``: whether it goes through the weights that a mixture's routers give to experts, too.
    """

    signs: Sequence[float]
    places: Sequence[Place]
    nodes: Sequence[int]
    through_routers: bool = True


@dataclass(frozen=True)
class Start:
    """Blocks below ``layer`` need not be run: what the last of them puts out is known.

    ``hidden`` [nodes of the tree, hidden].
    """

    layer: int
    hidden: torch.Tensor


@dataclass(frozen=True)
class Query:
    """One run of a tree. ``past``: what the engine gave of the tree that it goes on from. ``keep``: whether
    it will be gone on from. ``again``: whether the same tree will be run again, so that what says where its
    nodes lie and what they see may be kept as long as the tree."""

    tree: Tree
    past: Past | None = None
    scores: Scores = field(default_factory=lambda: Scores((), ()))
    reads: Sequence[Read] = ()
    edits: Sequence[Edit | Outside] = ()
    gradient: Gradient | None = None
    start: Start | None = None
    keep: bool = False
    again: bool = False

    @property
    def sites(self) -> set[str]:
        """All that it has to do with."""
        watched = () if self.gradient is None else (site for site, _ in self.gradient.places)
        return {*(one.site for one in (*self.edits, *self.reads)), *watched}

    @property
    def holds_routers(self) -> bool:
        """Whether routers' weights are constants to its gradient."""
        return self.gradient is not None and not self.gradient.through_routers


@dataclass
class Past:
    """A tree that has been read: what the engine needs to go on from it."""

    stays: ClassVar[bool] = True
    tree: Tree


@dataclass
class Answer:
    """``scores`` float64 [scores], on the host. ``reads``: per read, layer -> [nodes or rows, width].

    ``values`` and ``gradients`` [nodes, width] are those of the query's gradient, in float32, by place.
    """

    scores: torch.Tensor
    reads: list[dict[int, torch.Tensor]] = field(default_factory=list)
    values: dict[Place, torch.Tensor] = field(default_factory=dict)
    gradients: dict[Place, torch.Tensor] = field(default_factory=dict)
    past: Past | None = None
