"""What can be found wrong with a study before it runs, beyond its config: texts, corpus, packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from brodmann.config.study import Study
from brodmann.errors import Problem, UserError
from brodmann.localizers.perplexity import read_passages
from brodmann.models.sources import wheel_version
from brodmann.pipeline.contrasts import contrast_of

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
            found.append(partial(wheel_version, entry))
    settings = study.localizer
    found += [partial(contrast_of, study, network) for network in settings.networks]
    if study.run_models and settings.networks:
        found.append(lambda: read_passages(settings.lesion.corpus))
    return found
