"""What a model's work takes in memory, from its widths alone: one source for plans and for batch sizes.

Upper bounds of what is held at the same time, counted tensor by tensor for a decoder of gated MLPs, the
widest of the usual kinds. Light: no torch here. All results are bytes; ``tokens`` counts the positions of all
rows of a batch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from brodmann.models.precision import HEAD_CHUNK

# Tokens in one forward pass when nothing is configured: enough to keep the cores (or the GPU) busy,
# little enough that activations stay in fast memory. On the CPU it is one lane of a tree.
AUTO_BATCH_TOKENS = {"cpu": 2048, "cuda": 16384, "mps": 4096}
# Logits of a batch are float32 [rows, positions, vocabulary]: keep them below this many values.
MAX_LOGITS = 1 << 28
# Backward passes keep every activation of a token: fewer tokens at a time than forward passes.
TAIL_SHARE = 0.5
# float64 values of pooled activations that a batch of texts may leave behind: layers x units x texts.
MOST_POOLED = 1 << 26
# float32 values of all layers that are read of a tree at once.
MOST_READ = 1 << 26
# Bytes of block outputs that are kept of trees that are run again and again.
MOST_KEPT = 1 << 28

_FLOAT32 = 4
# Attention of a node costs this share of its products with weights, at most.
_ATTENTION = 0.2
# A recurrent block goes through a sequence in chunks of so many tokens or more, each of which leaves a state.
_CHUNK = 64
# A lane is never shorter: below, reading the weights costs more than computing with them.
_LEAST, _MOST = 384, 2048


def keys_per_node(hidden: int, neurons: int, heads: int) -> float:
    """Attention to so many keys costs a node as much as a block's weights.

    A block's products with weights are about twice its parameters for each node; attention's, four times the
    heads' width for each node and key (of a model without known heads, as wide as the residual stream).
    """
    return (3 * neurons * hidden + 3 * hidden**2) / (2 * (heads or hidden))


def lane_nodes(hidden: int, neurons: int, heads: int) -> int:
    """Nodes of a lane: attention, which grows with them, stays a small share of the work."""
    best = _ATTENTION * keys_per_node(hidden, neurons, heads)
    return max(_LEAST, min(_MOST, 128 * round(best / 128)))


@dataclass(frozen=True)
class Widths:
    """A decoder's sizes: ``heads`` and ``keys`` are all query and all key heads' dimensions together.

    ``neurons``: those that a token goes through. ``of_experts``: of a mixture of experts, those of all of a
    layer's experts, which are its units; 0 where all are gone through. ``states``: numbers of a layer's
    recurrent states of one sequence. ``experts``: how many a layer has.
    """

    layers: int
    hidden: int
    neurons: int
    heads: int
    keys: int
    vocabulary: int
    dtype: int  # bytes of a number
    of_experts: int = 0
    states: int = 0
    experts: int = 0

    @property
    def units(self) -> int:
        """MLP neurons of a layer."""
        return self.of_experts or self.neurons

    def spread(self, tokens: int) -> int:
        """What a running block holds more where experts' neurons are looked at: spread, changed, gathered."""
        return 3 * tokens * self.of_experts * self.dtype

    def added(self, tokens: int) -> int:
        """The same where what each expert adds is looked at."""
        return 3 * tokens * self.experts * self.hidden * self.dtype

    def widest(self, components: Collection[str]) -> int:
        """Dimensions of a layer's units, of one of these components or another that all models have."""
        whole = self.experts * self.hidden if "experts" in components else 0
        return max(self.units, self.heads, whole)

    def block(self, tokens: int) -> int:
        """What the running block holds; the others hold nothing of a pass without gradients."""
        values = 6 * self.hidden + 3 * self.neurons + 4 * self.heads + 4 * self.keys
        chunks = -(-tokens // _CHUNK) * self.states * _FLOAT32
        return tokens * (values * self.dtype + 2 * self.hidden * _FLOAT32) + chunks

    def lane(self) -> int:
        """Nodes of a lane."""
        return lane_nodes(self.hidden, self.neurons, self.heads)

    def nodes_at_once(self, device: str) -> int:
        """Nodes of a tree when nothing is configured."""
        return self.lane() if device == "cpu" else AUTO_BATCH_TOKENS[device]

    def masks(self, tokens: int) -> int:
        """What says which keys each token sees, within its lane."""
        lane = min(tokens, self.lane())
        return tokens * lane * (self.dtype + 1)

    def cache(self, tokens: int) -> int:
        """Keys and values of all layers."""
        return tokens * 2 * self.keys * self.layers * self.dtype

    def contexts(self, tokens: int) -> int:
        """What rows of so many tokens go on from: keys and values, and a state of all layers for each."""
        states = -(-tokens // _CHUNK) * self.states * self.layers * _FLOAT32
        return self.cache(tokens) + states

    def logits(self, positions: int) -> int:
        """Logits, in float32 too, what their normalisation takes, and a narrow head's float32 part."""
        narrow = self.dtype < _FLOAT32
        own = self.dtype if narrow else 0
        head = min(HEAD_CHUNK, self.vocabulary * self.hidden) * _FLOAT32 if narrow else 0
        return positions * self.vocabulary * (own + 2 * _FLOAT32) + head

    def graph(self, tokens: int, seen: int) -> int:
        """What autograd keeps for ``tokens`` that are run after, and attend to, ``seen`` tokens.

        Every block's norms, projections' outputs and gate; keys and values of all that is seen, joined with
        the new ones and repeated for all heads of their group; watched activations and their gradients.
        """
        norms = 2 * 2 * self.hidden * _FLOAT32
        values = 4 * self.hidden + 6 * self.neurons + 4 * self.heads + 2 * self.keys
        attended = 2 * (self.keys + self.heads) * self.dtype
        chunks = -(-tokens // _CHUNK) * self.states * _FLOAT32
        own = tokens * (norms + values * self.dtype) + (tokens + seen) * attended
        return self.layers * (own + chunks)
