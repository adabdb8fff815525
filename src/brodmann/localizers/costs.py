"""What the passes of localizers cost. Light: no torch here."""

from __future__ import annotations

from functools import cache

from brodmann.config.massive import KEEP
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.runner import costs
from brodmann.runner.costs import NONE, Batch, Cost, Effort, Job
from brodmann.runner.footprint import MOST_POOLED, Widths
from brodmann.runner.lengths import PROMPT, guessed, nodes
from brodmann.stimuli.reader import load_contrast

# Texts of either kind of a localizer whose files are not there, about.
_TEXTS = 240
# Tokens of a localizer's shortest texts.
_SHORT = 16


def read_texts(job: Job, network: str) -> Effort:
    """What a localizer reads: either kind of texts in trees of its own."""
    found = job.study.localizer
    how = (found.stimuli, found.seed, found.demand, found.answers)
    return sum((job.run(n) for n in _nodes(network, found.truncate[network], *how)), NONE)


@cache
def _nodes(
    network: str, truncate: int | None, stimuli: str, seed: int, demand: str, answers: str
) -> tuple[int, ...]:
    """Of positive and of negative texts; of usual ones, if they cannot be read, which their stage says."""
    try:
        texts = load_contrast(network, stimuli, seed=seed, demand=demand, answers=answers)
    except UserError:
        return 2 * (_TEXTS * min(PROMPT, truncate or PROMPT),)
    sides = (texts.positive, texts.negative)
    return tuple(nodes(guessed(text)[:truncate] for text in side) for side in sides)


def _localizer_effort(job: Job) -> Effort:
    matched = job.study.localizer.lesion.activation_matched_seeds
    return _all_texts(job) * (2 if matched else 1)


def _all_texts(job: Job) -> Effort:
    return sum((read_texts(job, network) for network in job.study.localizer.networks), NONE)


def lesions_of_network(study: Study) -> int:
    """Of every size and kind, with as many random units; and of massive activations."""
    found, made = study.localizer, study.localizer.lesion
    beside = len(made.activation_matched_seeds) + (found.massive != KEEP)
    lesions = len(found.lesioned) * (1 + len(made.seeds) + beside)
    return len(made.kinds) * (lesions + (1 + len(made.seeds) if found.apart else 0))


def _lesion_effort(job: Job) -> Effort:
    found, made = job.study.localizer, job.study.localizer.lesion
    each = job.asked(made.corpus, made.passages, made.tasks, made.items)
    # The intact model is measured once; what units are set to, where it is their mean, once for each network.
    effort = each * (1 + len(found.networks) * lesions_of_network(job.study))
    return effort + _all_texts(job) if "mean" in made.kinds else effort


def _moments(study: Study, widths: Widths, batch: Batch) -> int:
    """Five numbers of every unit for both kinds of text, the tests, and a tree's pooled activations."""
    units = widths.layers * costs.units_of(widths, study.localizer.site)
    # Of short texts there are many in a tree.
    texts = max(1, min(batch.tokens // _SHORT, MOST_POOLED // units))
    return costs.STATISTICS + (20 + 4 * texts) * units * costs.FLOAT64


LOCALIZER = Cost(_localizer_effort, costs.read, _moments)
LESION = Cost(_lesion_effort, costs.repeated, _moments, length=costs.PASSAGE)
