"""What the passes of circuits cost. Light: no torch here."""

from __future__ import annotations

import math
from collections.abc import Iterable

from brodmann.circuits.estimators import compared, estimator
from brodmann.config.study import Study
from brodmann.runner.costs import FLOAT32, FLOAT64, NONE, Batch, Cost, Effort, Job
from brodmann.runner.footprint import MAX_LOGITS, TAIL_SHARE, Widths

# Contributions of all items of a list are held until it is known which are used: no more bytes than this.
MOST_HELD = 2 << 30
# Lesions that are measured between two writes to the store: what a killed job loses at most; and how many
# trees of the engine's size such a block fills at least.
BLOCK, TREES = 32, 2
# Nodes that an item's prompts add to a tree which holds others, about.
_ITEM = 20
# Lesions of one batch start above so many different blocks at most.
_LESIONS = 32


def _baseline_effort(job: Job) -> Effort:
    tasks = job.study.tasks.selected
    if surveyed(job) and job.together is not False:
        return _attributed(job, tasks, scored=True)
    return _answered(job, tasks)


def surveyed(job: Job) -> bool:
    """Whether attributions can be made where their baselines are (``circuits.stages.survey``)."""
    found, widths = job.study.attribution, job.widths
    held = 4 * job.items * len(found.components) * widths.layers * widths.neurons
    lent = job.study.lender(job.model) is not None
    return estimator(found).scores_answers and not lent and held <= MOST_HELD


def _answered(job: Job, tasks: Iterable[str]) -> Effort:
    """Both prompts, with all answers after each."""
    tokens = scored = 0.0
    for own in map(job.of, tasks):
        tokens += job.in_lanes(job.items * own.asked(both=True), own.header)
        scored += job.items * own.scored(both=True)
    return job.run(tokens, scored)


def _baseline(study: Study, widths: Widths, batch: Batch) -> int:
    positions = min(batch.rows * batch.answer, MAX_LOGITS // widths.vocabulary)
    return widths.block(batch.tokens) + widths.cache(batch.tokens) + widths.logits(positions)


def _attributed(
    job: Job, tasks: Iterable[str], *, scored: bool = False, second: bool = False
) -> Effort:
    """Prompts, read once, and what is differentiated of them. ``scored``: with their baseline."""
    found, widths = job.study.attribution, job.widths
    # A tail has both answers, there and back.
    rows = estimator(found).rows(widths.layers, len(found.components)) / 2
    read = tails = heads = 0.0
    for own in map(job.of, tasks):
        read += job.in_lanes(job.items * (own.read + scored * own.tail), own.header)
        tails += job.items * rows * (own.last + own.tail)
        heads += job.items * (rows * (1 + own.tail) + scored * own.scored())
    passes = job.run(read).passes
    passes += max(2 * passes, math.ceil(tails / (TAIL_SHARE * job.nodes)))
    ranked = 0.0
    if not second and estimator(found).has_replicates:
        units = len(found.components) * widths.layers * widths.neurons
        ranked = len(tuple(tasks)) * units * (2 * found.splits + found.bootstraps)
    return Effort(read + tails, heads, passes, ranked)


def _attribution_effort(job: Job) -> Effort:
    study, found, layers = job.study, job.study.attribution, job.widths.layers
    surveys, components = surveyed(job), len(found.components)
    effort = NONE if surveys and job.together else _attributed(job, study.tasks.selected)
    if second := study.second_tasks:
        effort += _attributed(job, second, scored=surveys, second=True)
        effort += NONE if surveys else _answered(job, second)
    each = 2.0 * found.agreement.units * components
    each += sum(one.rows(layers, components) for one in compared(found)) / 2
    tails = [job.of(task).last + job.of(task).tail for task in found.agreement.tasks]
    return effort + job.run(found.agreement.items * each * sum(tails))


def _attribution(study: Study, widths: Widths, batch: Batch) -> int:
    """Items' prompts, then the tails of as many answers as are run at once, differentiated."""
    found = study.attribution
    run = (estimator(found), *(compared(found) if found.agreement.tasks else ()))
    steps = max(one.at_once for one in run)
    # Of what prompts share a tree has one: it holds more items than rows. Of every item there are as many
    # tails as steps, of two tokens, as far as they fit; all see the first tree.
    items = max(1, batch.tokens // _ITEM) if batch.rows > 1 else 1
    nodes = min(2 * items * steps, max(2 * steps, int(batch.tokens * TAIL_SHARE)))
    sites = len(found.components) * widths.layers * max(widths.neurons, widths.heads)
    # Clean activations; then corrupted ones, gradients, their products, and these once more layer by layer.
    kept = items * sites * (widths.dtype + 4 * FLOAT32)
    differentiated = widths.graph(nodes, batch.tokens) + 2 * widths.logits(nodes)
    # The tree's keys and values, and those that tails see.
    return kept + 2 * widths.cache(batch.tokens) + max(widths.block(batch.tokens), differentiated)


def _attributions(study: Study, widths: Widths, batch: Batch) -> int:
    """Sums and replicates of all units, and a batch's contributions on their way there."""
    found = study.attribution
    components = len(found.components)
    replicates = 2 * found.splits + found.bootstraps
    units = widths.layers * widths.neurons
    sums = components * units * (FLOAT64 + replicates * FLOAT32)
    return sums + 2 * batch.rows * components * units * FLOAT32


def lesions_of_target(study: Study) -> int:
    """Of one kind of unit, silenced in one way, for each target: circuits and random units of every size."""
    made = study.ablation
    drawn = made.layer_matched_trials + made.activation_matched_trials
    circuits = len(study.tasks.selected) * (1 + drawn)
    return (circuits + made.random_trials) * len(study.ablated_selections)


def _ablation_effort(job: Job) -> Effort:
    study, made = job.study, job.study.ablation
    used = min(job.items / (2 if study.tasks.split else 1), made.max_items or math.inf)
    lesions = lesions_of_target(study)
    effort = NONE
    for own in map(job.of, study.tasks.selected):
        for kind in made.kinds:
            # Lesions to corrupted activations begin where the prompts differ; others, with the prompt.
            if kind == "corrupted":
                intact, each = own.asked(both=True), used * own.changed
            else:
                intact, each = own.asked(), job.in_lanes(used * own.asked(), own.header)
            # Each block of lesions reads what it goes on from.
            blocks = math.ceil(lesions / max(BLOCK, TREES * job.nodes // max(1, int(each))))
            heads = used * (own.changed if own.single else own.scored())
            effort += job.run(job.in_lanes(used * intact, own.header), heads, blocks)
            effort += job.run(each * lesions / blocks, heads * lesions / blocks, blocks)
            if kind == "mean":
                effort += job.run(job.in_lanes(used * own.one, own.header))
        if made.activation_matched_trials:
            effort += job.run(job.in_lanes(used * own.one, own.header))
    return effort * len(study.attribution.components)


def _ablation(study: Study, widths: Widths, batch: Batch) -> int:
    """Outputs of blocks below lesions, donors' activations, a first tree's cache; a tree of lesioned rows."""
    blocks = min(_LESIONS, widths.layers) * batch.tokens * widths.hidden * widths.dtype
    share = min(1.0, _LESIONS * max(study.ablation.percents or (), default=0.0) / 100)
    donors = int(share * widths.layers * widths.neurons * batch.tokens * widths.dtype)
    return blocks + donors + _baseline(study, widths, batch) + widths.cache(batch.tokens)


def _means(study: Study, widths: Widths, batch: Batch) -> int:
    return 3 * widths.layers * widths.neurons * FLOAT64


BASELINE = Cost(_baseline_effort, _baseline)
ATTRIBUTION = Cost(_attribution_effort, _attribution, _attributions)
ABLATION = Cost(_ablation_effort, _ablation, _means)
