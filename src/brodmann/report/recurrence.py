"""Do networks come back: templates in single texts, and templates of one dataset among those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from brodmann.networks.consistency import CONSISTENCY, SIZES, TEMPLATE_IOU
from brodmann.report import verdicts
from brodmann.report.sources import Sources
from brodmann.report.verdicts import Verdict
from brodmann.report.wording import listed
from brodmann.store.tables import read_table

_SHOWN = 4  # largest IoU that are told


@dataclass(frozen=True)
class ComingBack:
    """Templates of all datasets that are found in a network of a single text, and how many of these count."""

    templates: int
    back: int
    usable: int  # networks of single texts that count and have units
    reachable: (
        int  # templates that could come back at most: in each dataset no more than are usable
    )
    empty: int  # networks that count, but have no units
    found: int

    @property
    def share(self) -> float:
        """Of templates; NaN where no network of a single text could be one."""
        return self.back / self.templates if self.templates and self.usable else float("nan")

    @property
    def verdict(self) -> Verdict:
        """How many come back, unless too few could."""
        return verdicts.come_back(self.back, self.templates, self.reachable)


def coming_back(sources: Sources, model: str) -> ComingBack:
    """How many networks of a model come back."""
    table = _read(sources, model, "consistency", CONSISTENCY)
    usable = usable_networks(sources, model)
    counts = table.groupby("dataset")[["denominator", "found"]].first().astype(int)
    own = table.groupby("dataset").size()
    reachable = sum(min(int(number), usable.get(str(name), 0)) for name, number in own.items())
    some = sum(usable.values())
    back, empty = int((table["count"] > 0).sum()), int(counts["denominator"].sum()) - some
    return ComingBack(len(table), back, some, reachable, empty, int(counts["found"].sum()))


def usable_networks(sources: Sources, model: str) -> dict[str, int]:
    """Dataset -> networks of its single texts that count and have units: one without is like no template."""
    sizes = _read(sources, model, "sizes", SIZES)
    own = sizes[(sizes["level"] == "individual") & (sizes["n_units"] > 0)]
    return {str(name): int(number) for name, number in own.groupby("dataset").size().items()}


@dataclass(frozen=True)
class Across:
    """Templates of one dataset that come back among those of another."""

    dataset: str
    other: str
    templates: int
    ious: Sequence[float]  # the largest of each that comes back, in falling order

    @property
    def text(self) -> str:
        """``4 of 10 templates of encyclopedia among those of news``."""
        number = f"{len(self.ious)} of {self.templates}"
        return f"{number} templates of {self.dataset} among those of {self.other}"

    @property
    def largest(self) -> str:
        """``0.69, 0.63 and 0.56``; of many the first."""
        return listed(f"{value:.2f}" for value in self.ious[:_SHOWN])


def across_datasets(sources: Sources, model: str) -> list[Across]:
    """Every two datasets of a model's networks."""
    return across(_read(sources, model, "template_iou", TEMPLATE_IOU))


def across(table: pd.DataFrame) -> list[Across]:
    """Every two datasets. ``table``: of ``template_iou.csv``."""
    other = table[table["dataset_a"] != table["dataset_b"]]
    found = []
    for (dataset, second), own in other.groupby(["dataset_a", "dataset_b"], sort=False):
        best = own.groupby("template_a")[["iou", "above"]].max()
        back = best.loc[best["above"] > 0, "iou"].sort_values(ascending=False)
        found.append(Across(str(dataset), str(second), len(best), list(back)))
    return found


def _read(sources: Sources, model: str, name: str, columns: Sequence[str]) -> pd.DataFrame:
    return read_table(sources.results / model / "networks" / f"{name}.csv", columns)
