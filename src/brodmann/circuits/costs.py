"""What the passes of circuits cost. Light: no torch here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from brodmann.circuits.estimators import compared, estimator
from brodmann.circuits.estimators.interface import LAST, Estimator
from brodmann.config.study import Study
from brodmann.runner.costs import FLOAT32, FLOAT64, NONE, Batch, Cost, Effort, Job, pages
from brodmann.runner.footprint import MAX_LOGITS, MOST_READ, TAIL_SHARE, Widths
from brodmann.runner.lengths import Lengths

# Contributions of all items of a list are held until it is known which are used: no more bytes than this.
MOST_HELD = 2 << 30
# Bytes of the clean activations of items' tokens at which units are scored, where these are several.
MOST_SPOTS = 1 << 29
# Lesions that are measured between two writes to the store: what a killed job loses at most; and how many
# trees of the engine's size such a block fills at least.
BLOCK, TREES = 32, 2
# Nodes that an item's prompts add to a tree which holds others, about.
_ITEM = 20
# Lesions of one batch start above so many different blocks at most.
_LESIONS = 32
# Bytes of a unit in an order.
_ORDER = 4


def _baseline_effort(job: Job) -> Effort:
    tasks = job.study.tasks.selected
    if surveyed(job) and job.together is not False:
        return _attributed(job, tasks, scored=True)
    return _answered(job, tasks)


def surveyed(job: Job) -> bool:
    """Whether attributions can be made where their baselines are (``circuits.stages.survey``)."""
    found, widths = job.study.attribution, job.widths
    held = 4 * job.items * len(found.components) * widths.layers * widths.units
    return found.scores_answers and held <= MOST_HELD


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
        tails += job.items * rows * (_prompt(own, estimator(found), found.positions) + own.tail)
        heads += job.items * (rows * (1 + own.tail) + scored * own.scored())
    passes = job.run(read).passes
    passes += max(2 * passes, math.ceil(tails / (TAIL_SHARE * job.nodes)))
    ranked = 0.0
    if not second and estimator(found).has_replicates:
        units = len(found.components) * widths.layers * widths.units
        ranked = len(tuple(tasks)) * units * found.n_replicates
    return Effort(read + tails, heads, passes, ranked)


def _prompt(own: Lengths, by: Estimator, positions: str) -> float:
    """Nodes of a prompt that are differentiated; with recurrent states all of them."""
    if positions == LAST and not by.from_first_difference:
        return own.last
    return max(own.last, own.rest)


def _attribution_effort(job: Job) -> Effort:
    study, found, layers = job.study, job.study.attribution, job.widths.layers
    surveys, components = surveyed(job), len(found.components)
    effort = NONE if surveys and job.together else _attributed(job, study.tasks.selected)
    if second := study.second_tasks:
        effort += _attributed(job, second, scored=surveys, second=True)
        effort += NONE if surveys else _answered(job, second)
    each = 2.0 * found.agreement.units * components
    each += sum(one.rows(layers, components) for one in compared(found)) / 2
    usual = estimator(found, "patching")
    lengths = [job.of(task) for task in found.agreement.plain_tasks]
    tails = [_prompt(own, usual, found.positions) + own.tail for own in lengths]
    effort += job.run(found.agreement.items * each * sum(tails))
    return effort + _tried(job) * components


def _tried(job: Job) -> Effort:
    """What estimators are tried on, for one kind of unit: each at its positions, then true effects."""
    found, layers = job.study.attribution, job.widths.layers
    asked, effort = found.agreement, NONE
    for own in map(job.of, asked.tried_tasks):
        for name, at in asked.grid:
            by = estimator(found, name)
            tails = by.rows(layers, 1) / 2 * (_prompt(own, by, at) + own.tail)
            effort += job.run(asked.items * (own.read + tails))
        for at in asked.positions:
            # A circuit shares most of its units with those of other estimators.
            count = sum(positions == at for _, positions in asked.grid)
            size = job.study.selection.main / 100 * layers * job.widths.units
            units = asked.units + size * (1 + (count - 1) / 4)
            tail = _prompt(own, estimator(found, "patching"), at) + own.tail
            effort += job.run(asked.items * (own.read + units * tail))
    return effort


def _attribution(study: Study, widths: Widths, batch: Batch) -> int:
    """Items' prompts, then the tails of as many answers as are run at once, differentiated."""
    found = study.attribution
    asked = found.agreement
    more = (
        compared(found)
        if asked.plain_tasks
        else tuple(estimator(found, name) for name, _ in asked.grid if asked.tasks)
    )
    run = (estimator(found), *more)
    steps = max(one.at_once for one in run)
    # Of what prompts share a tree has one: it holds more items than rows. Of every item there are as many
    # tails as steps, of two tokens, as far as they fit; all see the first tree.
    items = max(1, batch.tokens // _ITEM) if batch.rows > 1 else 1
    nodes = min(2 * items * steps, max(2 * steps, int(batch.tokens * TAIL_SHARE)))
    sites = len(found.components) * widths.layers * widths.widest(found.components)
    spots = items
    if {found.positions, *(asked.positions if asked.tasks else ())} != {LAST}:
        spots = max(items, min(batch.tokens, MOST_SPOTS // (sites * widths.dtype)))
    # Clean activations; then corrupted ones, gradients, their products, and these once more layer by layer.
    kept = spots * sites * (widths.dtype + 4 * FLOAT32)
    differentiated = widths.graph(nodes, batch.tokens) + 2 * widths.logits(nodes)
    # Of all blocks, here.
    differentiated += widths.layers * _spread(study, widths, nodes)
    # The tree's keys and values, and those that tails see.
    block = widths.block(batch.tokens) + _spread(study, widths, batch.tokens)
    return kept + 2 * widths.cache(batch.tokens) + max(block, differentiated)


def _spread(study: Study, widths: Widths, tokens: int) -> int:
    """What experts' neurons, and experts, take where they are units (``Widths.spread``)."""
    components = study.attribution.components
    neurons = widths.spread(tokens) if "neurons" in components else 0
    return neurons + (widths.added(tokens) if "experts" in components else 0)


def _attributions(study: Study, widths: Widths, batch: Batch) -> int:
    """Sums and replicates of all units, and a batch's contributions on their way there."""
    found = study.attribution
    components = len(found.components)
    replicates = found.n_replicates
    units = widths.layers * widths.units
    sums = components * units * (FLOAT64 + replicates * FLOAT32)
    return sums + 2 * batch.rows * components * units * FLOAT32


def lesions_of_target(study: Study) -> int:
    """Of one kind of unit, silenced in one way, for each target: circuits and random units of every size."""
    made = study.ablation
    drawn = made.layer_matched_trials + made.activation_matched_trials
    circuits = len(study.tasks.selected) * (1 + drawn)
    return (circuits + made.random_trials) * len(study.ablated_selections)


def lesions_of_levels(study: Study) -> list[int]:
    """Of each level of the granularity, for each target: circuits, and random units of two kinds."""
    each = len(study.tasks.selected) + 2 * study.ablation.random_trials
    found = study.granularity
    return [each * len(getattr(found.percents, level)) for level in found.levels]


def _ablation_effort(job: Job) -> Effort:
    study, made = job.study, job.study.ablation
    tasks, used = study.tasks.selected, _tested_items(job, made.max_items)
    effort = _lesion_effort(job, tasks, used, made.kinds, lesions_of_target(study))
    if made.activation_matched_trials:
        for own in map(job.of, tasks):
            effort += job.run(job.in_lanes(used * own.one, own.header))
    effort = effort * len(study.attribution.components)
    if job.model not in study.network_models:
        effort += pages(job)
    for lesions in lesions_of_levels(study):
        effort += _lesion_effort(job, tasks, used, made.kinds[:1], lesions)
    return effort


def _tested_items(job: Job, most: int | None) -> float:
    """Items of each task that lesions are measured on."""
    return min(job.items / (2 if job.study.tasks.split else 1), most or math.inf)


def _lesion_effort(
    job: Job, tasks: Iterable[str], used: float, kinds: Sequence[str], lesions: int
) -> Effort:
    """So many lesions of one component, or level, on ``used`` items of each of these tasks."""
    effort = NONE
    for own in map(job.of, tasks):
        for kind in kinds:
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
    return effort


def _ablation(study: Study, widths: Widths, batch: Batch) -> int:
    """Outputs of blocks below lesions, donors' activations, a first tree's cache; a tree of lesioned rows."""
    components = study.attribution.components
    blocks = min(_LESIONS, widths.layers) * batch.tokens * widths.hidden * widths.dtype
    share = min(1.0, _LESIONS * max(study.ablation.percents or (), default=0.0) / 100)
    wide = widths.widest(components) if "experts" in components else widths.units
    donors = int(share * widths.layers * wide * batch.tokens * widths.dtype)
    if study.granularity.levels:  # all layers' outputs, of both sites
        donors = max(donors, 2 * widths.layers * widths.hidden * batch.tokens * widths.dtype)
    run = _baseline(study, widths, batch) + _spread(study, widths, batch.tokens)
    return blocks + donors + run + widths.contexts(batch.tokens)


def _means(study: Study, widths: Widths, batch: Batch) -> int:
    return 3 * widths.layers * widths.units * FLOAT64


def circuits_of_task(study: Study) -> int:
    """Circuits of one kind of unit whose faithfulness to a task is measured, at most: of all orders that are
    tried, every size but none and all, which these share."""
    own = study.faithfulness
    others = len(study.tasks.selected) - 1
    counts = (own.same_domain, own.other_domains)
    lent = sum(others if isinstance(count, str) else count for count in counts)
    signed = 1 + own.layer_matched_trials + min(others, lent)
    return (signed * len(own.signs) + own.random_trials) * _sizes(study) + 1


def circuits_of_trials(study: Study) -> int:
    """The same of the orders of estimators that are tried; nothing and everything are known then."""
    return len(study.attribution.agreement.grid) * _sizes(study)


def _sizes(study: Study) -> int:
    return sum(0 < percent < 100 for percent in study.faithfulness.fractions)


def _faithfulness_effort(job: Job) -> Effort:
    """As of ablations; no block is skipped, as circuits leave something of every layer out."""
    study, made = job.study, job.study.faithfulness
    used = _tested_items(job, made.max_items)
    effort = _lesion_effort(job, made.tasks, used, made.kinds, circuits_of_task(study))
    if study.tried_orders:
        tried = circuits_of_trials(study)
        effort += _lesion_effort(job, study.tried_orders, used, made.kinds[:1], tried)
    rounds = made.rivals.rounds
    if rounds:
        # Every rival is found on all items; three circuits of each round are tested.
        tests = [used * own.changed for own in map(job.of, made.tasks)]
        effort += _attributed(job, made.tasks, second=True) * rounds
        effort += job.run(3 * (rounds + 1) * sum(tests))
    return effort * len(study.attribution.components)


def _faithfulness(study: Study, widths: Widths, batch: Batch) -> int:
    """Donors of all layers, of as many nodes as there is room for; a tree of rows whose units are replaced,
    in the running block three times over; and what is run intact."""
    wide = widths.widest(study.attribution.components)
    donors = min(MOST_READ * FLOAT32, batch.tokens * widths.layers * wide * widths.dtype)
    replaced = 3 * batch.tokens * wide * widths.dtype
    replaced += _spread(study, widths, batch.tokens)
    tested = donors + replaced + _baseline(study, widths, batch) + widths.contexts(batch.tokens)
    rounds = study.faithfulness.rivals.rounds
    return max(tested, _attribution(study, widths, batch)) if rounds else tested


def _orders(study: Study, widths: Widths, batch: Batch) -> int:
    """Orders of all units, and which of them the circuits of a block keep."""
    made, units = study.faithfulness, widths.layers * widths.units
    drawn = made.random_trials + made.layer_matched_trials * len(made.signs)
    held = len(study.tasks.selected) * len(made.signs) + len(made.tasks) * drawn
    return units * (len(study.attribution.components) * held * _ORDER + BLOCK)


BASELINE = Cost(_baseline_effort, _baseline)
ATTRIBUTION = Cost(_attribution_effort, _attribution, _attributions)
ABLATION = Cost(_ablation_effort, _ablation, _means)
FAITHFULNESS = Cost(_faithfulness_effort, _faithfulness, _orders)
