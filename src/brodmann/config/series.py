"""``models.NAME.series:``: one entry, many checkpoints along an axis, each a model of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from brodmann.config.resolve import Resolver
from brodmann.config.section import Number, OneOrMore, Section, SomeText

if TYPE_CHECKING:
    from brodmann.config.models import ModelKeys


class SeriesKeys(Section):
    """``models.NAME.series:``"""

    revisions: tuple[SomeText, ...] = Field(default=())
    """Of an hf source: a branch, tag or commit for each checkpoint."""
    paths: tuple[SomeText, ...] = Field(default=())
    """Of a path source: a folder for each checkpoint, below the source's."""
    steps: OneOrMore[Number]
    """Where each checkpoint stands on the axis, in rising order; NAME@STEP is its name in all paths."""
    axis: SomeText = "training step"
    """What the axis is called in tables and figures."""

    def members(self, name: str, keys: ModelKeys, here: Resolver) -> dict[str, ModelKeys]:
        """Name -> the entry of each checkpoint; empty, and a problem noted, if something is wrong."""
        path = ("models", name, "series")
        given = self.revisions or self.paths
        kind = keys.source.partition(":")[0]
        if bool(self.revisions) == bool(self.paths):
            here.problem(path, "needs either revisions or paths")
        elif kind != (wanted := "hf" if self.revisions else "path"):
            key = "revisions" if self.revisions else "paths"
            here.problem((*path, key), f"are of {wanted}: sources, not of a {kind}: source")
        elif len(given) != len(self.steps):
            here.problem((*path, "steps"), f"{len(self.steps)} steps for {len(given)} checkpoints")
        elif any(low >= high for low, high in zip(self.steps, self.steps[1:], strict=False)):
            here.problem((*path, "steps"), "must rise", "put the checkpoints in their order")
        elif self.revisions and keys.revision is not None:
            here.problem(path, "the model has a revision of its own", "remove one of the two")
        else:
            return {
                f"{name}@{step_name(step)}": keys.model_copy(
                    update={"revision": one}
                    if self.revisions
                    else {"source": f"{keys.source.rstrip('/')}/{one}"}
                )
                for one, step in zip(given, self.steps, strict=True)
            }
        return {}


def step_name(step: float) -> str:
    """``1000`` of 1000.0, ``0.5`` of 0.5."""
    return str(int(step)) if step == int(step) else repr(step)
