"""What can be found wrong with a study before it runs, beyond its config: texts, corpus, packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from brodmann.config.localizer import LocalizerSettings
from brodmann.config.study import Study
from brodmann.errors import Problem, UserError
from brodmann.localizers.perplexity import read_passages
from brodmann.models.sources import wheel_version
from brodmann.stimuli.reader import load_contrast

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


def attempts(study: Study) -> list[Callable[[], object]]:
    """One attempt for every package, network and corpus of models that are run."""
    found: list[Callable[[], object]] = []
    for name in study.run_models:
        entry = study.models[name]
        if entry.kind == "wheel":
            found.append(lambda entry=entry: wheel_version(entry))
    settings = study.localizer
    found += [lambda network=network: _texts(settings, network) for network in settings.networks]
    if study.run_models and settings.networks:
        found.append(lambda: read_passages(settings.lesion.corpus))
    return found


def _texts(settings: LocalizerSettings, network: str) -> object:
    return load_contrast(
        network,
        settings.stimuli,
        seed=settings.seed,
        demand=settings.demand,
        answers=settings.answers,
    )
