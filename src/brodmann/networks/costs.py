"""What the passes of networks cost. Light: no torch here."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from brodmann.config.massive import SEPARATE
from brodmann.config.networks import CORPUS
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.runner import costs
from brodmann.runner.costs import NONE, Batch, Cost, Effort, Job
from brodmann.runner.footprint import MOST_READ, Widths
from brodmann.runner.lengths import guessed
from brodmann.stimuli.corpora import load_corpus

# A block of signals as it is read, in float64, and a product of it; signals that are not put on disk.
_BLOCK = 24 << 24
_IN_MEMORY = 1 << 30
# Vectors that signals are multiplied with beside those of the components.
_MORE = 10
# Samples of a corpus whose length is measured.
_SAMPLES = 50
# Tokens of the localizer that networks are compared with, about.
_LOCALIZER = 16_000


def _networks_effort(job: Job) -> Effort:
    found = job.study.networks
    units = _layers(job.study, job.widths) * costs.units_of(job.widths, found.site)
    levels = (
        (found.group_samples, found.group_components),
        (found.individual_samples, found.individual_components),
    )
    effort = NONE
    for dataset in found.datasets.values():
        long = float(found.max_tokens)
        if dataset.kind == CORPUS:
            long = _mean_tokens(dataset.source, found.stimuli, found.seed, long)
        for samples, components in levels:
            values = samples * long * units * (components + _MORE)
            effort += replace(job.run(samples * long), decomposed=values)
    return effort


@cache
def _mean_tokens(source: str, stimuli: str, seed: int, most: int) -> float:
    """Of the samples of a corpus that ships; of all others it is not known how long they are."""
    try:
        samples = load_corpus(source, stimuli=stimuli, seed=seed).samples[:_SAMPLES]
    except UserError:
        return most
    return sum(min(most, len(guessed(text))) for text in samples) / len(samples)


def _layers(study: Study, widths: Widths) -> int:
    """How many are decomposed."""
    return widths.layers if study.networks.layers is None else len(study.networks.layers)


def _read(study: Study, widths: Widths, batch: Batch) -> int:
    """Held by texts of which every layer is read, as the model has it and as float32."""
    found = study.networks
    values = batch.tokens * _layers(study, widths) * costs.units_of(widths, found.site)
    return costs.read(study, widths, batch) + min(MOST_READ, values) * (
        widths.dtype + 2 * costs.FLOAT32
    )


def _decomposed(study: Study, widths: Widths, batch: Batch) -> int:
    """Vectors of all units: the Krylov subspace, components and their whitening; a block of signals."""
    found = study.networks
    units = _layers(study, widths) * costs.units_of(widths, found.site)
    k = max(found.group_components, found.individual_components)
    tokens = found.group_samples * found.max_tokens
    signals = min(_IN_MEMORY, tokens * units * costs.FLOAT32)
    vectors = 4 * 13 * (found.group_components + _MORE) + 20 * k
    return costs.STATISTICS + signals + _BLOCK + vectors * units * costs.FLOAT64


def _use_effort(job: Job) -> Effort:
    found, use = job.study.networks, job.study.networks.use
    made, datasets = use.editing, len(found.datasets)
    # All units of a dataset's networks and the best of them; three sets of every two datasets.
    sets = 2 * datasets + 3 * datasets * (datasets - 1) // 2 + (made.localizer is not None)
    sets += found.massive == SEPARATE
    single = datasets * found.group_components * made.networks
    # Each has random controls, as has a share of all units.
    edits = ((sets + single) * (1 + len(made.seeds)) + len(made.seeds)) * len(made.edits)
    effort = job.asked(made.corpus, made.passages, made.tasks, made.items, both=True) * (1 + edits)
    prompts = use.probing.items * sum(job.of(task).read for task in use.probing.tasks)
    probed = (2 * datasets + (made.localizer is not None)) * (1 + len(made.seeds))
    effort += job.run(prompts) * (1 + probed * len(made.edits))
    if made.localizer is not None:
        effort += job.run(_LOCALIZER)
    effort += costs.pages(job)
    # Courses over samples, and over an example.
    return effort + job.run((use.following.texts + 1) * found.max_tokens) * datasets


def _used(study: Study, widths: Widths, batch: Batch) -> int:
    """The maps of all datasets, and courses of their networks."""
    found = study.networks
    maps = 4 * len(found.datasets) * found.group_components * widths.layers
    return costs.STATISTICS + maps * max(widths.hidden, widths.neurons) * costs.FLOAT64


NETWORKS = Cost(_networks_effort, _read, _decomposed)
NETWORK_USE = Cost(_use_effort, costs.repeated, _used)
