"""What a pass over a model costs: tokens that it runs, memory that it holds. Each map counts its own passes.

Predictions, meant to err upwards by less than half; docs/large-models.md holds them against measured peaks.
Light: no torch here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from brodmann.config.study import Study
from brodmann.runner.footprint import MAX_LOGITS, MOST_KEPT, Widths
from brodmann.sites import SITES

FLOAT32, FLOAT64 = 4, 8
# Tokens of a usual prompt, template included, of a passage, and of the longest text to be expected.
PROMPT = 64
PASSAGE = 256
LONGEST = 512
# Texts of a localizer, both kinds, and passages of a corpus, about.
TEXTS, PASSAGES = 500, 50
# scipy's distributions, once imported.
STATISTICS = 120_000_000
# Trees of passages and items that are measured again and again, about.
_TREES = 4
# How many items a task without a number of its own may have.
_ITEMS = 1000


@dataclass(frozen=True)
class Lengths:
    """Mean tokens of a task: what both prompts begin with, the rest of one, and an answer."""

    shared: float
    rest: float
    answer: float

    @property
    def whole(self) -> float:
        """A prompt with an answer."""
        return self.shared + self.rest + self.answer


# Of a task that is not at hand.
USUAL = Lengths(0.0, float(PROMPT), 0.0)


@dataclass(frozen=True)
class Job:
    """What a job's tokens are counted from.

    ``stateful``: the model has recurrent states, so that every sequence is read whole. ``lengths``: of the
    tasks' prompts.
    """

    study: Study
    widths: Widths
    stateful: bool = False
    lengths: Mapping[str, Lengths] = field(default_factory=dict)

    @property
    def items(self) -> int:
        """Of each task."""
        return self.study.tasks.items or _ITEMS

    def of(self, task: str) -> Lengths:
        """A task's prompts; all of them is run each time where a state cannot be kept and gone on from."""
        found = self.lengths.get(task, USUAL)
        if self.stateful:
            return Lengths(0.0, found.shared + found.rest, found.answer)
        return found


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

    ``tokens``: that it runs, about; with gradients they count twice; what clean and corrupted prompts, and
    all lesions of an item, begin with is run once. ``held``: bytes on the device for a batch, beside the
    weights. ``gathered``: bytes on the host. ``length``: tokens of its usual texts.
    """

    tokens: Callable[[Job], float]
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


def units_of(widths: Widths, site: str) -> int:
    """Of one layer."""
    return SITES[site].units(hidden=widths.hidden, neurons=widths.neurons, heads=widths.heads)
