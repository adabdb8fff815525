"""``localizer:``: which units respond to a kind of text, and what they are called in paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from brodmann.config.massive import KEEP, MASSIVE, SEPARATE, Massive, massive_settings
from brodmann.config.resolve import Resolver
from brodmann.config.section import (
    Count,
    Distinct,
    DistinctSome,
    Percent,
    Section,
    Several,
    SomeText,
    Text,
    Whole,
    floats,
)
from brodmann.config.stages import LESION, LOCALIZER, NETWORK_USE
from brodmann.errors import UserError
from brodmann.sites import LOCALIZED, SITES

# Sites whose units are dimensions of the residual stream.
RESIDUAL_SITES = tuple(name for name in LOCALIZED if SITES[name].residual)
# From a unit's activations at every token to one number per text.
Pooling = Literal["last-token", "mean", "sum"]
POOLINGS: tuple[str, ...] = get_args(Pooling)
# The text whose perplexity is measured where a study names none.
OWN_PROSE = "stimuli/corpus/prose.txt"
# Ranges of percentiles of t that mean the most and the least selective units.
MOST_SELECTIVE = "100-100"
LEAST_SELECTIVE = "0-0"
_RANGE = re.compile(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)")


def parse_range(text: str) -> tuple[float, float]:
    """The bounds of a percentile range; an error says what is wrong with it."""
    where = "localizer.range"
    match = _RANGE.fullmatch(str(text).strip())
    if match is None:
        raise UserError.at(where, f"'{text}' is no range", "write two percentiles, e.g. 90-100")
    low, high = float(match[1]), float(match[2])
    if max(low, high) > 100:
        raise UserError.at(where, f"'{text}' goes beyond 100", "percentiles are from 0 to 100")
    if low > high:
        raise UserError.at(where, f"'{text}' runs backwards", f"write {match[2]}-{match[1]}")
    if low == high and low not in (0.0, 100.0):
        fix = "100-100 takes the most selective units, 0-0 the least; else give two bounds"
        raise UserError.at(where, f"'{text}' is empty", fix)
    return low, high


def range_name(text: str) -> str:
    """A range as it stands in names: two ways to write the same range are one."""
    low, high = parse_range(text)
    return f"{low:g}-{high:g}"


@dataclass(frozen=True)
class Size:
    """How many units are selected: a share of all, in per cent, or a number."""

    percentage: float | None = None
    number: int | None = None

    @property
    def name(self) -> str:
        """``1.0pct`` or ``172units``: part of a selection's name."""
        return f"{self.number}units" if self.percentage is None else f"{self.percentage!r}pct"

    def count(self, n_units: int) -> int:
        """k: how many of ``n_units`` these are."""
        if self.percentage is None:
            assert self.number is not None
            return self.number
        return max(1, int(self.percentage / 100 * n_units))


_Network = Literal[
    "language", "theory_of_mind", "theory-of-mind", "multiple_demand", "multiple-demand"
]
# YAML reads ``true`` as a truth value.
_Answers = Annotated[
    Literal["true", "random"],
    BeforeValidator(lambda value: "true" if value is True else value),
    Field(json_schema_extra={"enum": ["true", "random", True]}),
]


class Pooled(Section):
    """From tokens to one number per text, by network; padding never counts."""

    language: Pooling = "last-token"
    """Of sentences and lists of non-words - the last token's activation, or the mean or sum over all
    tokens."""
    theory_of_mind: Pooling = "mean"
    """Of false-belief and false-photograph stories."""
    multiple_demand: Pooling = "mean"
    """Of hard and easy problems."""


class Truncated(Section):
    """Tokens of a text that are read, by network, special tokens included; null reads all."""

    language: Count | None = 12
    """Of sentences and lists of non-words."""
    theory_of_mind: Count | None = None
    """Of false-belief and false-photograph stories."""
    multiple_demand: Count | None = None
    """Of hard and easy problems."""


class LesionSettings(Section):
    """Units silenced at every position, and what that does to text and tasks, beside random units."""

    percentages: DistinctSome[Percent] | None = None
    """Sizes of the lesions; null takes those that are selected."""
    kinds: DistinctSome[Literal["zero", "mean"]] = ("zero",)
    """zero, and/or mean - each unit's mean over the localizer's texts."""
    seeds: Distinct[Whole] = (42, 43, 44)
    """Seeds of the random controls, one lesion each."""
    activation_matched_seeds: Distinct[Whole] = ()
    """Seeds of a second kind of random controls - units of the same layers that are about as active."""
    tasks: Several[SomeText] = ("*",)
    """Globs over domain/task - tasks whose accuracy is measured; [] for none."""
    items: Count = 20
    """Items per task, drawn with localizer.seed."""
    passages: Count | None = None
    """Paragraphs of the corpus, the first so many; null takes all."""
    corpus: SomeText | None = None
    """A text file, paragraphs separated by empty lines, whose perplexity is measured; null is our own
    prose."""


class LocalizerKeys(Section):
    """Functional localizers (docs/localizers.md): units that respond more to one kind of text than to
    another, and what their lesion does."""

    networks: Distinct[_Network] = ("language",)
    """Which contrasts are run; none ([]) for no localizers at all."""
    pooling: Pooled = Pooled()
    truncate: Truncated = Truncated()
    percentages: DistinctSome[Percent] | None = (1.0,)
    """How many units are selected, in per cent of all. Goes before num_units; null leaves it to that."""
    num_units: Count | None = None
    """How many units are selected, where no percentages are given."""
    range: Text = "100-100"
    """Percentiles of t between which units are drawn, e.g. 90-100; 100-100 takes the most selective units,
    0-0 the least selective."""
    stimuli: SomeText = "stimuli"
    """Folder with the texts (stimuli/README.md); the default is the one that ships with the workflow."""
    demand: Literal["arithmetic", "span"] = "arithmetic"
    """Hard and easy problems of the multiple-demand contrast."""
    answers: _Answers = "true"
    """What follows the questions of the theory-of-mind contrast - the true answers, or random ones
    (published)."""
    site: Literal[LOCALIZED] = "block_output"  # type: ignore[valid-type]
    """The units - dimensions of every block's output, of every MLP's output, or every MLP's hidden
    neurons."""
    massive: Massive = "keep"
    """Units of massive activations (docs/localizers.md) - keep ranks them as all others; exclude leaves them
    out of selections and random controls; separate does so, too, and lesions them as a set of their own."""
    seed: Whole = 42
    """Seed of generated texts, random answers and units drawn from a range."""
    lesion: LesionSettings = LesionSettings()

    def resolved(self, selected: tuple[str, ...], here: Resolver) -> LocalizerSettings:
        """The section with its files and tasks found, and one spelling for what has several."""
        networks = tuple(network_name(name) for name in self.networks)
        for name in networks:
            if networks.count(name) > 1:
                path = ("localizer", "networks")
                here.problem(path, f"holds {name} twice", "keep one spelling")
        # A number of units is only asked for where no percentages are.
        percentages = self.percentages
        if self.num_units is not None and "percentages" not in self.model_fields_set:
            percentages = None
        if percentages is None and self.num_units is None and here.sound("localizer"):
            path = ("localizer", "percentages")
            here.problem(path, "no percentages and no num_units", "give one of the two")
        try:
            span = range_name(self.range)
        except UserError as error:
            here.take(error, ("localizer", "range"))
            span = ""
        stimuli = self.stimuli if "stimuli" in self.model_fields_set else None
        lesion, path = self.lesion, ("localizer", "lesion")
        own = {
            "networks": networks,
            "pooling": dict(self.pooling),
            "truncate": dict(self.truncate),
            "percentages": floats(percentages),
            "range": span,
            "stimuli": here.shipped(stimuli, ("localizer", "stimuli"), "stimuli", folder=True),
            "lesion": lesion.but(
                percentages=floats(lesion.percentages) or None,
                tasks=here.matching(lesion.tasks, selected or None, (*path, "tasks")),
                corpus=here.shipped(lesion.corpus, (*path, "corpus"), OWN_PROSE),
            ),
        }
        return LocalizerSettings(**{**dict(self), **own})


class LocalizerSettings(LocalizerKeys):
    """``localizer:``. ``percentages`` is empty where ``num_units`` counts; files are paths."""

    networks: tuple[str, ...]  # type: ignore[assignment]
    pooling: dict[str, Pooling]  # type: ignore[assignment]
    truncate: dict[str, int | None]  # type: ignore[assignment]
    percentages: tuple[float, ...]

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """Of localizers, their lesions, and what is set beside them."""
        found: dict[str, Any] = {}
        localized = {name: self.stimulation(name) for name in self.networks}
        if stage in (*LOCALIZER, *LESION):
            found["networks"] = localized
            found["texts"] = self.generation()
        if stage in ("localizer", *LESION):
            found |= massive_settings(self.massive)
        if stage in ("localizer_pass", *LESION) and self.lesion.activation_matched_seeds:
            found |= self.lesion.part("activation_matched_seeds")
        if stage == "localizer":
            found["selections"] = [*self.selections]
        if stage in LESION:
            found["selections"] = [*self.selections_of(self.lesioned)]
            found |= self.lesion.part("kinds", "tasks", "items", "passages")
        if stage == "network_agreement":
            found["localizers"] = localized
            found["size"] = self.sizes[0].name
            found["range"] = self.range
        if stage in NETWORK_USE and (rival := study.networks.editing.localizer) is not None:
            found["localizer"] = {**self.stimulation(rival), **self.generation()}
        return found

    def generation(self) -> dict[str, Any]:
        """What decides the texts, beside the files that they are read from."""
        return self.part("demand", "answers", "seed")

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The sizes that are selected."""
        if not self.percentages:
            return (Size(number=self.num_units),)
        return tuple(Size(percentage=percentage) for percentage in self.percentages)

    @property
    def lesioned(self) -> tuple[Size, ...]:
        """The sizes that are lesioned."""
        own = tuple(Size(percentage=percentage) for percentage in self.lesion.percentages or ())
        return own or self.sizes

    @property
    def all_sizes(self) -> tuple[Size, ...]:
        """Every size there is a file of."""
        return tuple(dict.fromkeys((*self.sizes, *self.lesioned)))

    def selection_name(self, size: Size) -> str:
        """``top-1.0pct``, ``least-1.0pct`` or ``range-90-100-1.0pct``: the {selection} of paths."""
        named = {MOST_SELECTIVE: "top", LEAST_SELECTIVE: "least"}
        return f"{named.get(self.range, f'range-{self.range}')}-{size.name}"

    def control_name(self, size: Size, seed: int) -> str:
        """``random-1.0pct-seed42``."""
        return f"random-{size.name}-seed{seed}"

    def with_massive_name(self, size: Size) -> str:
        """``with-massive-1.0pct``: what would be selected if massive activations were kept."""
        return f"with-massive-{size.name}"

    @property
    def apart(self) -> bool:
        """Whether massive activations are a set of their own."""
        return self.massive == SEPARATE

    @property
    def selections(self) -> tuple[str, ...]:
        """Every selection there is a file of."""
        return self.selections_of(self.all_sizes)

    def selections_of(self, sizes: tuple[Size, ...]) -> tuple[str, ...]:
        """The selections of these sizes, each with its random controls; and those of massive activations."""
        found: list[str] = []
        for size in sizes:
            found.append(self.selection_name(size))
            found += [self.control_name(size, seed) for seed in self.lesion.seeds]
            found += [self.with_massive_name(size)] if self.massive != KEEP else []
        return (*found, *([MASSIVE] if self.apart else []))

    def stimulation(self, network: str) -> dict[str, Any]:
        """What decides a network's responses, beside the texts."""
        how = {"pooling": self.pooling[network], "truncate": self.truncate[network]}
        return {"site": self.site, **how}


def network_name(text: str) -> str:
    """As networks are called in paths: published names have hyphens."""
    return text.replace("-", "_")
