"""What the passes of circuits cost. Light: no torch here."""

from __future__ import annotations

from brodmann.circuits.estimators import compared, estimator
from brodmann.config.study import Study
from brodmann.runner.costs import FLOAT32, FLOAT64, Batch, Cost, Job
from brodmann.runner.footprint import CARRIED, MAX_LOGITS, TAIL_SHARE, Widths

# Lesions of one batch start above so many different blocks at most.
_LESIONS = 32


def _baseline_tokens(job: Job) -> float:
    # Clean and corrupted, with both answers.
    return job.items * sum(4 * job.of(task).whole for task in job.study.tasks.selected)


def _baseline(study: Study, widths: Widths, batch: Batch) -> int:
    positions = min(batch.rows * batch.answer, MAX_LOGITS // widths.vocabulary)
    return widths.block(batch.tokens) + widths.cache(batch.tokens) + widths.logits(positions)


def _attribution_tokens(job: Job) -> float:
    study, found, layers = job.study, job.study.attribution, job.widths.layers
    components = len(found.components)
    rows = estimator(found).rows(layers, components)

    def tail(task: str) -> float:
        """The last prompt token and an answer; or everything, where nothing can be gone on from."""
        own = job.of(task)
        return own.whole if job.stateful or task not in job.lengths else 1 + own.answer

    def of_list(tasks: tuple[str, ...]) -> float:
        each = (job.of(task) for task in tasks)
        read = sum(own.shared + 2 * own.rest for own in each)
        return job.items * (read + rows * sum(map(tail, tasks)))

    each = 2 * found.agreement.units * components
    each += sum(one.rows(layers, components) for one in compared(found))
    return (
        of_list(study.tasks.selected)
        + of_list(study.second_tasks)
        + found.agreement.items * each * sum(map(tail, found.agreement.tasks))
    )


def _attribution(study: Study, widths: Widths, batch: Batch) -> int:
    """Items' contexts, then the tails of as many answers as are run at once, differentiated."""
    found = study.attribution
    run = (estimator(found), *(compared(found) if found.agreement.tasks else ()))
    steps = max(one.at_once for one in run)
    # Two answers of more than one token are two tails; of every tail there are as many rows as steps.
    rows = 2 * batch.rows * steps
    if batch.rows > 1:
        rows = min(rows, int(batch.tokens * TAIL_SHARE), CARRIED * batch.rows)
    seen = rows * batch.length
    sites = len(found.components) * widths.layers * max(widths.neurons, widths.heads)
    # Clean activations; then corrupted ones, gradients, their products, and these once more layer by layer.
    kept = batch.rows * sites * (widths.dtype + 4 * FLOAT32)
    return (
        kept
        + widths.cache(batch.tokens)
        + max(
            widths.block(batch.tokens) + widths.cache(batch.tokens),
            widths.cache(seen) + widths.graph(rows, seen) + 2 * widths.logits(rows),
        )
    )


def _attributions(study: Study, widths: Widths, batch: Batch) -> int:
    """Sums and replicates of all units, and a batch's contributions on their way there."""
    found = study.attribution
    components = len(found.components)
    replicates = 2 * found.splits + found.bootstraps
    units = widths.layers * widths.neurons
    sums = components * units * (FLOAT64 + replicates * FLOAT32)
    return sums + 2 * batch.rows * components * units * FLOAT32


def _ablation_tokens(job: Job) -> float:
    study, made = job.study, job.study.ablation
    used = min(job.items, made.max_items or job.items)
    lesions = 1 + len(study.tasks.selected) * (1 + made.layer_matched_trials) + made.random_trials
    variants = len(study.ablated_selections) * len(study.attribution.components)
    total = 0.0
    for task in study.tasks.selected:
        own = job.of(task)
        for kind in made.kinds:
            if job.stateful:  # every row is run whole
                total += (2 * lesions + 2) * own.whole
                continue
            # Lesions to corrupted activations begin where the prompts differ; others, with the prompt. Both
            # answers go on from one prompt; their last tokens are not run.
            once = own.shared if kind == "corrupted" else 0.0
            changed = own.shared + own.rest - once + 2 * max(0.0, own.answer - 1)
            # Intact rows are run once, and so are donors.
            total += once + (lesions + (kind == "corrupted")) * changed
    return used * variants * total


def _ablation(study: Study, widths: Widths, batch: Batch) -> int:
    """Outputs of blocks below lesions, donors' activations, a first tree's cache; a tree of lesioned rows."""
    blocks = min(_LESIONS, widths.layers) * batch.tokens * widths.hidden * widths.dtype
    share = min(1.0, _LESIONS * max(study.ablation.percents or (), default=0.0) / 100)
    donors = int(share * widths.layers * widths.neurons * batch.tokens * widths.dtype)
    return blocks + donors + _baseline(study, widths, batch) + widths.cache(batch.tokens)


def _means(study: Study, widths: Widths, batch: Batch) -> int:
    return 3 * widths.layers * widths.neurons * FLOAT64


BASELINE = Cost(_baseline_tokens, _baseline)
ATTRIBUTION = Cost(_attribution_tokens, _attribution, _attributions)
ABLATION = Cost(_ablation_tokens, _ablation, _means)
