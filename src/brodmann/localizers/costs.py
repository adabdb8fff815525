"""What the passes of localizers cost. Light: no torch here."""

from __future__ import annotations

from brodmann.config.study import Study
from brodmann.runner import costs
from brodmann.runner.costs import Batch, Cost, Job
from brodmann.runner.footprint import MOST_POOLED, Widths

# Tokens of a localizer's shortest texts.
_SHORT = 16


def _localizer_tokens(job: Job) -> float:
    return costs.PROMPT * costs.TEXTS * len(job.study.localizer.networks)


def _lesion_tokens(job: Job) -> float:
    study, made = job.study, job.study.localizer.lesion
    lesions = 1 + len(study.localizer.lesioned) * len(made.kinds) * (1 + len(made.seeds))
    # Passages are longer than prompts.
    each = 4 * (made.passages or costs.PASSAGES) + len(made.tasks) * made.items * 2
    return costs.PROMPT * len(study.localizer.networks) * lesions * each


def _moments(study: Study, widths: Widths, batch: Batch) -> int:
    """Five numbers of every unit for both kinds of text, the tests, and a tree's pooled activations."""
    units = widths.layers * costs.units_of(widths, study.localizer.site)
    # Of short texts there are many in a tree.
    texts = max(1, min(batch.tokens // _SHORT, MOST_POOLED // units))
    return costs.STATISTICS + (20 + 4 * texts) * units * costs.FLOAT64


LOCALIZER = Cost(_localizer_tokens, costs.read, _moments)
LESION = Cost(_lesion_tokens, costs.repeated, _moments, length=costs.PASSAGE)
