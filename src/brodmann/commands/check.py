"""What can be found wrong with a study before it runs, beyond its config: texts, corpus, packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from brodmann.config.networks import HUB, Dataset
from brodmann.config.study import Study
from brodmann.errors import Problem, UserError
from brodmann.localizers.contrasts import contrast_of
from brodmann.models.sources import wheel_version
from brodmann.networks.dataset_texts import require_enough
from brodmann.runner.perplexity import read_passages
from brodmann.stimuli.corpora import clean_prompts, load_corpus
from brodmann.stimuli.hub import require_package
from brodmann.tasks.items import TaskItems

_Thing = TypeVar("_Thing")


def together(attempts: Sequence[Callable[[], _Thing]]) -> list[_Thing]:
    """The results of all attempts, or everything that is wrong with any of them as one error."""
    results: list[_Thing] = []
    problems: list[Problem | str] = []
    for attempt in attempts:
        try:
            results.append(attempt())
        except UserError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
    if problems:
        raise UserError(*problems)
    return results


def attempts(study: Study, items_of: Callable[[str], TaskItems]) -> list[Callable[[], object]]:
    """One attempt for every package, network, corpus and dataset of models that are run.

    ``items_of``: the items of a task, as the study expands them.
    """
    found: list[Callable[[], object]] = []
    for name in study.run_models:
        entry = study.models[name]
        if entry.kind == "wheel":
            found.append(partial(wheel_version, entry))
    settings = study.localizer
    found += [partial(contrast_of, study, network) for network in settings.networks]
    if study.run_models and settings.networks:
        found.append(partial(read_passages, settings.lesion.corpus))
    if study.network_models:
        datasets = study.networks.datasets.values()
        found += [partial(_read_dataset, study, one, items_of) for one in datasets]
        found.append(partial(read_passages, study.networks.use.editing.corpus))
    return found


def _read_dataset(study: Study, dataset: Dataset, items_of: Callable[[str], TaskItems]) -> None:
    settings = study.networks
    if dataset.kind == HUB:  # nothing is fetched before it is needed
        require_package(dataset.source)
        return
    corpus = load_corpus(
        dataset.source,
        stimuli=settings.stimuli,
        seed=settings.seed,
        prompts=lambda task: clean_prompts(items_of(task)),
    )
    require_enough(settings, dataset.name, len(corpus.samples))
