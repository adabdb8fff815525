"""What each stage that loads a model holds in memory: weights, work on a batch, and what it gathers.

Predictions, meant to err upwards by less than half; docs/large-models.md holds them against measured peaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from brodmann.capacity.sizes import ModelSize
from brodmann.circuits.estimators import compared, estimator
from brodmann.config.study import Study
from brodmann.runner.footprint import (
    AUTO_BATCH_TOKENS,
    CARRIED,
    MAX_LOGITS,
    MOST_POOLED,
    TAIL_SHARE,
    Widths,
)
from brodmann.sites import SITES

RULES = (
    "check_model",
    "baseline_pass",
    "attribution_pass",
    "ablation_pass",
    "localizer_pass",
    "lesion_pass",
    "networks_pass",
    "network_use_pass",
)

# A process with Python, torch and a model's code, before any weights; CUDA's own on the device.
PROCESS = 550_000_000
CUDA_CONTEXT = 800_000_000
# Tokens of a usual prompt, template included, of a passage, and of the longest text to be expected.
PROMPT = 64
PASSAGE = 256
LONGEST = 512
# Rows and tokens of the self-check: every site in three layers, and the intact row.
_CHECKED = 16 * 8
# Lesions of one batch start above so many different blocks at most.
_LESIONS = 32
# scipy's distributions, once imported.
_STATISTICS = 120_000_000
# Tokens of a localizer's shortest texts.
_SHORT = 16
_FLOAT32, _FLOAT64 = 4, 8
# A block of signals as it is read, in float64, and a product of it; signals that are not put on disk.
_BLOCK = 20 << 24
_IN_MEMORY = 1 << 30


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


@dataclass(frozen=True)
class StageMemory:
    """Bytes: the weights, the work on one row of the longest text and on a batch, what the host gathers."""

    rule: str
    weights: int
    least: int
    batch: int
    gathered: int

    @property
    def process(self) -> int:
        """The peak of a process that does all of it on the CPU."""
        return PROCESS + self.weights + self.batch + self.gathered


def stage_memory(study: Study, size: ModelSize, rule: str, device: str = "cpu") -> StageMemory:
    """The prediction for a rule on a device (cpu, cuda or mps)."""
    work, gathered = _WORK[rule]
    tokens = study.execution.batch_tokens or AUTO_BATCH_TOKENS[device]
    length = PASSAGE if rule == "lesion_pass" else PROMPT
    usual = Batch(max(1, tokens // length), length)
    widths = size.widths
    return StageMemory(
        rule,
        size.bytes,
        work(study, widths, Batch(1, LONGEST)),
        work(study, widths, usual),
        gathered(study, widths, usual),
    )


# On the device


def _checking(study: Study, widths: Widths, batch: Batch) -> int:
    return widths.block(_CHECKED) + 3 * widths.logits(_CHECKED)


def _baseline(study: Study, widths: Widths, batch: Batch) -> int:
    positions = min(batch.rows * batch.answer, MAX_LOGITS // widths.vocabulary)
    return widths.block(batch.tokens) + widths.cache(batch.tokens) + widths.logits(positions)


def _attribution(study: Study, widths: Widths, batch: Batch) -> int:
    """Items' contexts, then the tails of as many answers as are run at once, differentiated."""
    found = study.attribution
    run = (estimator(found), *(compared(found) if found.agreement_tasks else ()))
    steps = max(one.at_once for one in run)
    # Two answers of more than one token are two tails; of every tail there are as many rows as steps.
    rows = 2 * batch.rows * steps
    if batch.rows > 1:
        rows = min(rows, int(batch.tokens * TAIL_SHARE), CARRIED * batch.rows)
    seen = rows * batch.length
    sites = len(found.components) * widths.layers * max(widths.neurons, widths.heads)
    kept = batch.rows * sites * (widths.dtype + 2 * _FLOAT32)
    return (
        kept
        + widths.cache(batch.tokens)
        + max(
            widths.block(batch.tokens) + widths.cache(batch.tokens),
            widths.cache(seen) + widths.graph(rows, seen) + 2 * widths.logits(rows),
        )
    )


def _ablation(study: Study, widths: Widths, batch: Batch) -> int:
    """Outputs of the blocks below lesions, donors' activations, then a batch of lesioned rows."""
    blocks = min(_LESIONS, widths.layers) * batch.tokens * widths.hidden * widths.dtype
    share = min(1.0, _LESIONS * max(study.ablation.percents, default=0.0) / 100)
    donors = int(share * widths.layers * widths.neurons * batch.tokens * widths.dtype)
    return blocks + donors + _baseline(study, widths, batch) + widths.cache(batch.tokens)


def _localizer(study: Study, widths: Widths, batch: Batch) -> int:
    return widths.block(batch.tokens) + batch.tokens * widths.hidden * _FLOAT64


def _lesion(study: Study, widths: Widths, batch: Batch) -> int:
    positions = min(batch.tokens, MAX_LOGITS // widths.vocabulary)
    return widths.block(batch.tokens) + widths.logits(positions)


# On the host


def _units(widths: Widths, site: str) -> int:
    """Of one layer."""
    return SITES[site].units(hidden=widths.hidden, neurons=widths.neurons, heads=widths.heads)


def _nothing(study: Study, widths: Widths, batch: Batch) -> int:
    return 0


def _attributions(study: Study, widths: Widths, batch: Batch) -> int:
    """Sums and replicates of all units, and a batch's contributions on their way there."""
    found = study.attribution
    components = len(found.components)
    replicates = 2 * found.splits + found.bootstraps
    units = widths.layers * widths.neurons
    sums = components * units * (_FLOAT64 + replicates * _FLOAT32)
    return sums + 2 * batch.rows * components * units * _FLOAT32


def _means(study: Study, widths: Widths, batch: Batch) -> int:
    return 3 * widths.layers * widths.neurons * _FLOAT64


def _moments(study: Study, widths: Widths, batch: Batch) -> int:
    """Five numbers of every unit for both kinds of text, the tests, and a batch's pooled activations."""
    units = widths.layers * _units(widths, study.localizer.site)
    # Short texts make large batches.
    texts = max(1, min(batch.tokens // _SHORT, MOST_POOLED // units))
    return _STATISTICS + (20 + 3 * texts) * units * _FLOAT64


def _decomposed(study: Study, widths: Widths, batch: Batch) -> int:
    """Vectors of all units: the Krylov subspace, components and their whitening; a block of signals."""
    found = study.networks
    layers = widths.layers if found.layers is None else len(found.layers)
    units = layers * _units(widths, found.site)
    k = max(found.group_components, found.individual_components)
    tokens = found.group_samples * found.max_tokens
    signals = min(_IN_MEMORY, tokens * units * _FLOAT32)
    vectors = 4 * 13 * (found.group_components + 10) + 20 * k
    return _STATISTICS + signals + _BLOCK + vectors * units * _FLOAT64


def _used(study: Study, widths: Widths, batch: Batch) -> int:
    """The maps of all datasets, and courses of their networks."""
    found = study.networks
    maps = 4 * len(found.datasets) * found.group_components * widths.layers
    return _STATISTICS + maps * max(widths.hidden, widths.neurons) * _FLOAT64


_WORK: dict[str, tuple[Callable[..., int], Callable[..., int]]] = {
    "check_model": (_checking, _nothing),
    "baseline_pass": (_baseline, _nothing),
    "attribution_pass": (_attribution, _attributions),
    "ablation_pass": (_ablation, _means),
    "localizer_pass": (_localizer, _moments),
    "lesion_pass": (_lesion, _moments),
    "networks_pass": (_localizer, _decomposed),
    "network_use_pass": (_lesion, _used),
}
