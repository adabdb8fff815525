"""What is done with networks once they are found: the sub-blocks of ``networks:``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, Strict

from brodmann.config.localizer import OWN_PROSE
from brodmann.config.resolve import Resolver
from brodmann.config.section import (
    AS_WHOLE,
    AS_WRITTEN,
    Count,
    Distinct,
    Number,
    Percent,
    Section,
    Several,
    SomeText,
    Truth,
    Whole,
    floats,
)


class Amounts(Section):
    """How units are amplified."""

    multiply: Distinct[Number] = (1.02,)
    """Factors."""
    add: Distinct[Number] = (1.0,)
    """Values that are added."""


class EditingSettings(Section):
    """Networks inhibited and amplified, and what that does to text and tasks, beside random units."""

    inhibit: Truth = True
    """Whether units are set to 0."""
    amounts: Amounts = Amounts()
    networks: Truth = True
    """Whether each network is edited by itself; if not, only all together and the sets made of them."""
    tasks: Several[SomeText] = ("*",)
    """Globs over domain/task - tasks whose accuracy is measured; [] for none."""
    items: Count = 20
    """Items per task, drawn with networks.seed."""
    passages: Count | None = None
    """Paragraphs of the corpus, the first so many; null takes those of localizer.lesion, so that a study has
    one intact perplexity."""
    corpus: SomeText | None = None
    """A text file, paragraphs separated by empty lines, whose perplexity is measured; null is that of
    localizer.lesion, by default our own prose, which is in none of the shipped corpora."""
    seeds: Distinct[Whole] = (0, 1, 2)
    """Seeds of the random controls, one each."""
    activation_matched_seeds: Distinct[Whole] = ()
    """Seeds of a second kind of random controls - units of the same layers that are about as active."""
    top_percent: Annotated[float, Strict(), Field(gt=0, le=50), *AS_WRITTEN] = 5.0
    """Units with the highest |z| over a dataset's networks, in per cent of all."""
    random_percent: Percent = 15.0
    """Random units beside them, in per cent of all."""
    localizer: Literal["language", "theory_of_mind", "multiple_demand", None] = "language"
    """The localizer whose most selective units they are compared with, run on the networks' site; null for
    none."""

    def resolved(self, selected: tuple[str, ...], here: Resolver) -> EditingSettings:
        """The block with its tasks and its corpus found."""
        path, lesion = ("networks", "editing"), here.config.localizer.lesion
        passages = self.passages
        if self.corpus is None:
            corpus = here.shipped(lesion.corpus, ("localizer", "lesion", "corpus"), OWN_PROSE)
            passages = lesion.passages if passages is None else passages
        else:
            corpus = here.shipped(self.corpus, (*path, "corpus"), OWN_PROSE)
        return self.but(
            tasks=here.matching(self.tasks, selected or None, (*path, "tasks")),
            corpus=corpus,
            passages=passages,
        )

    @property
    def edits(self) -> tuple[tuple[str, float | None], ...]:
        """(how, amount) of each edit."""
        inhibited = [("inhibit", None)] if self.inhibit else []
        multiplied = [("multiply", amount) for amount in floats(self.amounts.multiply)]
        return (*inhibited, *multiplied, *[("add", one) for one in floats(self.amounts.add)])

    def measurement(self) -> dict[str, Any]:
        """What decides the measured numbers; the corpus is a file, and a study may move."""
        unused = set() if self.activation_matched_seeds else {"activation_matched_seeds"}
        own = self.model_dump(exclude={"corpus", "amounts", *unused})
        amounts = self.amounts
        return {**own, "multiply": floats(amounts.multiply), "add": floats(amounts.add)}


class ProbingSettings(Section):
    """Logistic regression on the last layer's features of prompts, intact and edited; without tasks none."""

    tasks: Several[SomeText] = ()
    """Globs over domain/task."""
    items: Annotated[int, Strict(), Field(ge=10), AS_WHOLE] = 100
    """Items per task."""
    folds: Annotated[int, Strict(), Field(ge=2), AS_WHOLE] = 5
    """Of the cross-validation; an item's prompts are never in two of them."""
    seed: Whole = 0
    """Of the folds."""

    def resolved(self, selected: tuple[str, ...], here: Resolver) -> ProbingSettings:
        """The block with its tasks found."""
        path = ("networks", "probing", "tasks")
        return self.but(tasks=here.matching(self.tasks, selected or None, path))


class FollowingSettings(Section):
    """Networks' courses over texts - drawn on an example, correlated, and compared between models."""

    texts: Count = 10
    """Samples of each dataset, the first of the group."""
    example: SomeText | None = None
    """A UTF-8 text file that is shown with each network's course; null is a sentence in four languages."""

    def resolved(self, here: Resolver) -> FollowingSettings:
        """The block with its example found."""
        if self.example is None:
            return self
        path = ("networks", "following", "example")
        place = here.resolve(self.example, path)
        here.needed(place, path)
        return self.but(example=str(place.resolve()))


class NetworkUse(NamedTuple):
    """What is done with networks."""

    editing: EditingSettings
    probing: ProbingSettings
    following: FollowingSettings
