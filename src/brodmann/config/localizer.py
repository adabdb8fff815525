"""``localizer:`` as typed values, and the names of what it selects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from brodmann.errors import UserError
from brodmann.sites import LOCALIZED, SITES

# Sites whose units are dimensions of the residual stream.
RESIDUAL_SITES = tuple(name for name in LOCALIZED if SITES[name].residual)
# From a unit's activations at every token to one number per text.
POOLINGS = ("last-token", "mean", "sum")
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
        raise UserError.at(
            where,
            f"'{text}' is empty",
            "100-100 takes the most selective units, 0-0 the least; else give two bounds",
        )
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


@dataclass(frozen=True)
class LesionSettings:
    """``localizer.lesion:``, its sizes and tasks resolved."""

    percentages: tuple[float, ...]  # none: the sizes of the localizer
    kinds: tuple[str, ...]
    seeds: tuple[int, ...]
    tasks: tuple[str, ...]
    items: int
    passages: int | None  # of the corpus; None: all
    corpus: str  # a path


@dataclass(frozen=True)
class LocalizerSettings:
    """``localizer:``. ``percentages`` is empty where ``num_units`` counts."""

    networks: tuple[str, ...]
    pooling: dict[str, str]
    truncate: dict[str, int | None]
    percentages: tuple[float, ...]
    num_units: int | None
    range: str
    stimuli: str  # a path
    demand: str
    answers: str
    site: str
    seed: int
    lesion: LesionSettings

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The sizes that are selected."""
        if not self.percentages:
            return (Size(number=self.num_units),)
        return tuple(Size(percentage=percentage) for percentage in self.percentages)

    @property
    def lesioned(self) -> tuple[Size, ...]:
        """The sizes that are lesioned."""
        own = tuple(Size(percentage=percentage) for percentage in self.lesion.percentages)
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

    @property
    def selections(self) -> tuple[str, ...]:
        """Every selection there is a file of."""
        names = []
        for size in self.all_sizes:
            names.append(self.selection_name(size))
            names += [self.control_name(size, seed) for seed in self.lesion.seeds]
        return tuple(names)

    def stimulation(self, network: str) -> dict[str, Any]:
        """What decides a network's responses, beside the texts."""
        return {
            "site": self.site,
            "pooling": self.pooling[network],
            "truncate": self.truncate[network],
        }


def network_name(text: str) -> str:
    """As networks are called in paths: published names have hyphens."""
    return text.replace("-", "_")
