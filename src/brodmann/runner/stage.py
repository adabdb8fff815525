"""A stage: what a map says of one of its jobs. All of them: brodmann.pipeline.stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from brodmann.config.study import Study
from brodmann.runner.costs import Cost


def any_model(study: Study, model: str) -> bool:
    """A stage that every model has."""
    return True


@dataclass(frozen=True)
class Stage:
    """One stage of a map.

    ``run``: the function that does its rule's job, ``module:function`` below the package that says so;
    ``:function``, if it stands in the same module.
    ``methods``: whose versions its settings file (rules/settings.smk) carries; without any it has none.
    ``cost``: of a pass, a rule of the stage's name that loads a model; other stages load none.
    ``applies``: whether it is run for a model of the study.
    ``rule``: its rule, where that has another name. ``map``: the wing that it was found in.
    """

    name: str
    run: str
    methods: tuple[str, ...] = ()
    cost: Cost | None = None
    applies: Callable[[Study, str], bool] = any_model
    rule: str = ""
    map: str = ""

    @property
    def store(self) -> str:
        """The folder of a pass's records in the model's store; what it is called in plans."""
        return self.name.removesuffix("_pass").removesuffix("_model")
