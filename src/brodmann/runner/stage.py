"""A stage: what a map says of one of its jobs. All of them: brodmann.pipeline.stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from brodmann.config.study import Study
from brodmann.runner.costs import Cost


def any_model(study: Study, model: str) -> bool:
    """A stage that every model has."""
    return True


def nothing_first(study: Study) -> bool:
    """A pass whose shards need nothing of each other."""
    return False


@dataclass(frozen=True)
class Stage:
    """One stage of a map.

    ``run``: the function that does its rule's job, ``module:function`` below the package that says so;
    ``:function``, if it stands in the same module.
    ``methods``: whose versions its settings file (rules/settings.smk) carries; without any it has none.
    ``cost``: of a pass, a rule of the stage's name that loads a model; other stages load none.
    ``applies``: whether it is run for a model of the study.
    ``rule``: its rule, where that has another name. ``map``: the wing that it was found in.

    Of a pass: ``after``: the pass that it waits for. ``pieces``: how many jobs may share it at most
    (``store.shares``); without it, it is one job. ``prepares``: whether one more job first makes what all
    shards need.
    """

    name: str
    run: str
    methods: tuple[str, ...] = ()
    cost: Cost | None = None
    applies: Callable[[Study, str], bool] = any_model
    rule: str = ""
    map: str = ""
    after: str = "check_model"
    pieces: Callable[[Study], int] | None = None
    prepares: Callable[[Study], bool] = nothing_first

    @property
    def shard(self) -> str:
        """The rule of its shards."""
        return f"{self.store}_shard"

    @property
    def store(self) -> str:
        """The folder of a pass's records in the model's store; what it is called in plans."""
        return self.name.removesuffix("_pass").removesuffix("_model")
