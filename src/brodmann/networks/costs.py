"""What the passes of networks cost. Light: no torch here."""

from __future__ import annotations

import math

from brodmann.config.study import Study
from brodmann.runner import costs
from brodmann.runner.costs import Batch, Cost, Job
from brodmann.runner.footprint import MOST_READ, Widths

# A block of signals as it is read, in float64, and a product of it; signals that are not put on disk.
_BLOCK = 24 << 24
_IN_MEMORY = 1 << 30


def _networks_tokens(job: Job) -> float:
    found = job.study.networks
    samples = len(found.datasets) * (found.group_samples + found.individual_samples)
    # Samples may be longer than prompts; decomposing one takes about as long as reading it.
    return costs.PROMPT * samples * 2 * math.ceil(found.max_tokens / costs.PROMPT)


def _read(study: Study, widths: Widths, batch: Batch) -> int:
    """Held by texts of which every layer is read, as the model has it and as float32."""
    found = study.networks
    layers = widths.layers if found.layers is None else len(found.layers)
    values = batch.tokens * layers * costs.units_of(widths, found.site)
    return costs.read(study, widths, batch) + min(MOST_READ, values) * (
        widths.dtype + 2 * costs.FLOAT32
    )


def _decomposed(study: Study, widths: Widths, batch: Batch) -> int:
    """Vectors of all units: the Krylov subspace, components and their whitening; a block of signals."""
    found = study.networks
    layers = widths.layers if found.layers is None else len(found.layers)
    units = layers * costs.units_of(widths, found.site)
    k = max(found.group_components, found.individual_components)
    tokens = found.group_samples * found.max_tokens
    signals = min(_IN_MEMORY, tokens * units * costs.FLOAT32)
    vectors = 4 * 13 * (found.group_components + 10) + 20 * k
    return costs.STATISTICS + signals + _BLOCK + vectors * units * costs.FLOAT64


def _use_tokens(job: Job) -> float:
    study = job.study
    use, datasets = study.networks.use, len(study.networks.datasets)
    made = use.editing
    single = study.networks.group_components if made.networks else 0
    lines = datasets * (single + 2) + 3 * datasets * (datasets - 1) // 2 + 1
    edits = lines * (1 + len(made.seeds)) * len(made.edits)
    each = 4 * (made.passages or costs.PASSAGES) + len(made.tasks) * made.items * 4
    probed = (2 * datasets + 1) * (1 + len(made.seeds)) * len(made.edits)
    probed *= 2 * use.probing.items * len(use.probing.tasks)
    texts = (1 + edits) * each + probed + datasets * (use.following.texts + 1) + costs.TEXTS
    return costs.PROMPT * texts


def _used(study: Study, widths: Widths, batch: Batch) -> int:
    """The maps of all datasets, and courses of their networks."""
    found = study.networks
    maps = 4 * len(found.datasets) * found.group_components * widths.layers
    return costs.STATISTICS + maps * max(widths.hidden, widths.neurons) * costs.FLOAT64


NETWORKS = Cost(_networks_tokens, _read, _decomposed)
NETWORK_USE = Cost(_use_tokens, costs.repeated, _used)
