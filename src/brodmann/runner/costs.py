"""What a pass over a model costs: what it runs, memory that it holds. Each map counts its own passes.

Predictions, meant to err upwards by less than half; docs/large-models.md holds them against measurements.
Light: no torch here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, field
from functools import cache

from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.runner.footprint import MAX_LOGITS, MOST_KEPT, Widths
from brodmann.runner.lengths import PROMPT, USUAL, Lengths, guessed, nodes
from brodmann.sites import SITES
from brodmann.stimuli.texts import read_passages

FLOAT32, FLOAT64 = 4, 8
# Tokens of a passage, and of the longest text to be expected.
PASSAGE = 256
LONGEST = 512
# scipy's distributions, once imported.
STATISTICS = 120_000_000
# Trees of passages and items that are measured again and again, about.
_TREES = 4
# How many items a task without a number of its own may have.
_ITEMS = 1000


@dataclass(frozen=True)
class Effort:
    """What a pass does, about. ``tokens``: nodes that are run through all blocks; with gradients they count
    twice. ``scored``: positions that the LM head is applied to, likewise. ``passes``: over the model.

    ``ranked``: values of halves and bootstraps of which the strongest are sought. ``decomposed``: values of
    signals, times the vectors that they are multiplied with.
    """

    tokens: float
    scored: float = 0.0
    passes: float = 0.0
    ranked: float = 0.0
    decomposed: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: float) -> Effort:
        return Effort(*(times * own for own in astuple(self)))


NONE = Effort(0.0)


@dataclass(frozen=True)
class Job:
    """What a job's effort is counted from.

    ``stateful``: the model has recurrent states, so that every row is run by itself; ``shares``: whether it
    goes on from a state that several rows come to. ``lengths``: of the tasks' prompts. ``together``: whether
    baselines and attributions are asked for in one run, which makes both in one reading; None where that is
    not known.
    """

    study: Study
    widths: Widths
    model: str
    stateful: bool = False
    shares: bool = False
    lengths: Mapping[str, Lengths] = field(default_factory=dict)
    device: str = "cpu"
    together: bool | None = None

    @property
    def items(self) -> int:
        """Of each task."""
        return self.study.tasks.items or _ITEMS

    @property
    def nodes(self) -> int:
        """That are run at once."""
        return self.study.execution.batch_tokens or self.widths.nodes_at_once(self.device)

    def of(self, task: str) -> Lengths:
        """A task's prompts; more of them is run with states, and all where none is gone on from."""
        found = self.lengths.get(task, USUAL)
        if not self.stateful:
            return found
        return found.by_states(self.nodes) if self.shares else found.alone

    def in_lanes(self, own: float, header: float) -> float:
        """Nodes with the header that every lane begins with."""
        lane = min(self.nodes, self.widths.lane())
        return own + header * max(1.0, own / max(1.0, lane - header))

    def run(self, tokens: float, scored: float = 0.0, times: float = 1.0) -> Effort:
        """Nodes that are run in trees, so many times."""
        return Effort(tokens, scored, math.ceil(tokens / self.nodes)) * times

    def asked(
        self,
        corpus: str | None,
        passages: int | None,
        tasks: Iterable[str],
        items: int,
        both: bool = False,
    ) -> Effort:
        """What edits are measured on, once: passages, every token of which is scored, and items (after
        ``both`` prompts)."""
        text = _passages(corpus, passages)
        own = [self.of(task) for task in tasks]
        tokens = text + items * sum(one.asked(both) for one in own)
        return self.run(tokens, text + items * sum(one.scored(both) for one in own))


@cache
def _passages(corpus: str | None, count: int | None) -> int:
    """Tokens of a corpus; of a usual one, if it cannot be read, which its own stage says."""
    try:
        return nodes(map(guessed, read_passages(corpus or "")[:count]))
    except UserError:
        return PASSAGE * (count or 50)


@dataclass(frozen=True)
class Batch:
    """Rows that are run at once: their number and length, and how many tokens of an answer they end with."""

    rows: int
    length: int
    answer: int = 2

    @property
    def tokens(self) -> int:
        """Of all rows."""
        return self.rows * self.length


Memory = Callable[[Study, Widths, Batch], int]


def nothing(study: Study, widths: Widths, batch: Batch) -> int:
    """A pass that gathers next to nothing."""
    return 0


@dataclass(frozen=True)
class Cost:
    """What one kind of pass costs.

    ``effort``: what it runs, if nothing of it is in the store. ``held``: bytes on the device for a batch,
    beside the weights. ``gathered``: bytes on the host. ``length``: tokens of its usual texts.
    """

    effort: Callable[[Job], Effort]
    held: Memory
    gathered: Memory = nothing
    length: int = PROMPT


def scored(study: Study, widths: Widths, batch: Batch) -> int:
    """Held by a batch of texts of which every token is scored."""
    positions = min(batch.tokens, MAX_LOGITS // widths.vocabulary)
    return widths.block(batch.tokens) + widths.masks(batch.tokens) + widths.logits(positions)


def repeated(study: Study, widths: Widths, batch: Batch) -> int:
    """The same of texts that are scored under one edit after another.

    Masks, and what blocks below an edit put out, are kept of all their trees, of which there are few.
    """
    kept = min(MOST_KEPT, _TREES * batch.tokens * widths.hidden * widths.dtype)
    return scored(study, widths, batch) + (_TREES - 1) * widths.masks(batch.tokens) + kept


def read(study: Study, widths: Widths, batch: Batch) -> int:
    """Held by a batch of texts whose activations are read."""
    summed = batch.tokens * widths.hidden * FLOAT64
    return widths.block(batch.tokens) + widths.masks(batch.tokens) + summed


def pages(job: Job) -> Effort:
    """What the tokens are found by that units and networks promote: the LM head, of a row each."""
    asked, found = job.study.atlas, job.study.networks
    if not (asked.on and asked.tokens):
        return NONE
    kinds = len(job.study.attribution.components) + 1  # and one of the networks' site
    return Effort(0.0, kinds * asked.units + len(found.names) * found.group_components)


def units_of(widths: Widths, site: str) -> int:
    """Of one layer."""
    return SITES[site].units(hidden=widths.hidden, neurons=widths.units, heads=widths.heads)
