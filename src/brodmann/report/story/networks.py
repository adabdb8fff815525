"""Sentences on functional networks: what was found, how consistent it is, and what inhibiting it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from brodmann.report.story.findings import ALPHA
from brodmann.report.story.wording import big, draws_text, p_text


def consistency_sentence(table: pd.DataFrame, name: str, iou: float) -> str:
    """How many templates come back in networks of single texts, dataset by dataset."""
    parts = []
    for dataset, rows in table.groupby("dataset", sort=False):
        if not rows["found"].max() > 0:
            continue
        if not rows["denominator"].max() > 0:
            parts.append(
                f"{dataset}: none of {int(rows['found'].max()):,} networks of single texts is found from every start, so that "
                "consistency is not known"
            )
            continue
        found = int((rows["count"] > 0).sum())
        loose = int((rows["identified"] == 0).sum())
        best = rows.loc[rows["count"].idxmax()]
        parts.append(
            f"{dataset}: {found} of {len(rows)} templates come back in at least one network of a single text, the most frequent "
            f"in {int(best['count']):,} of {int(best['denominator']):,}"
            + _uncertain(int(rows["found"].max()), int(best["denominator"]), loose, len(rows))
        )
    if not parts:
        return f"{name}: no single texts were decomposed, so that consistency is not known."
    return f"{name} (IoU > {iou:g}): {'; '.join(parts)}."


def _uncertain(found: int, counted: int, loose: int, templates: int) -> str:
    """What depends on where the iteration starts, if anything does."""
    text = ""
    if found > counted:
        text += (
            f" ({found - counted:,} of the {found:,} networks found in single texts depend on the start of the iteration and are "
            "not counted)"
        )
    if loose:
        text += f"; {loose} of {templates} templates depend on the start: another would give other units"
    return text


def shared_sentence(table: pd.DataFrame, name: str, iou: float) -> str | None:
    """How many pairs of templates of different datasets are alike; None where there is one dataset."""
    across = table[table["dataset_a"] != table["dataset_b"]]
    if across.empty:
        return None
    alike = across[across["iou"] > iou]
    return (
        f"{name}: {len(alike)} of {len(across):,} pairs of templates of different datasets have an IoU above {iou:g} (largest "
        f"{across['iou'].max():.2f})."
    )


@dataclass(frozen=True)
class Inhibition:
    """What perplexity becomes without each network by itself. ``rows``: of ``editing.csv``, one a network."""

    rows: pd.DataFrame
    drawn: pd.DataFrame  # with random units instead: a row a draw

    @classmethod
    def of(cls, table: pd.DataFrame) -> Inhibition | None:
        """From ``editing.csv``; None where no network was inhibited by itself."""
        rows = table[(table["how"] == "inhibit") & (table["metric"] == "perplexity")]
        own = rows[rows["condition"].astype(str).str.startswith("network-") & rows["value"].notna()]
        return None if own.empty else cls(own, rows[rows["condition"] == "random"])

    @property
    def worst(self) -> pd.Series:
        """The network whose loss costs most."""
        return self.rows.loc[self.rows["value"].idxmax()]

    @property
    def random(self) -> pd.Series:
        """Perplexities without the random units that the worst one is compared with."""
        drawn, worst = self.drawn, self.worst
        beside = drawn["dataset"] == worst["dataset"]
        return drawn[beside & (drawn["control_of"] == worst["condition"])]["value"]


def inhibition_sentences(table: pd.DataFrame, name: str) -> Iterator[str]:
    """The network whose loss costs most, beside random units, and how many differ from random ones."""
    found = Inhibition.of(table)
    if found is None:
        yield f"{name}: no network was inhibited by itself."
        return
    own, worst, random = found.rows, found.worst, found.random
    text = (
        f"{name}: inhibiting {worst['condition']} of {worst['dataset']} ({int(worst['n_units'])} units) takes perplexity from "
        f"{big(worst['intact'])} to {big(worst['value'])}, the most of {len(own)} networks"
    )
    if len(random):
        text += f"; as many random units to {draws_text(random)}"
    if pd.notna(worst["p_random"]):
        text += f"; {p_text(worst['p_random'])} against these draws over {int(worst['n'])} passages"
    yield f"{text}."
    tested = own[own["q_random"].notna()]
    if len(tested):
        # q is over passages: how much draws of random units differ is seen from the draws alone.
        most = found.drawn.groupby(["dataset", "control_of"])["value"].max()
        beside = pd.Series(zip(tested["dataset"], tested["condition"], strict=True)).map(most)
        costly = tested["value"].to_numpy() > beside.to_numpy()
        differ = tested[(tested["q_random"] < ALPHA) & costly]
        text = (
            f"{name}: {len(differ)} of {len(tested)} networks cost more perplexity than each draw of random units, and at q < {ALPHA} "
            f"more than their mean; the median of perplexity over networks is {big(own['value'].median())}"
        )
        passages = int(tested["n"].max())
        if (floor := 2.0 ** (1 - passages)) > ALPHA:
            # The signed ranks of so few passages cannot say more.
            text += f" ({passages} passages can give no p below {floor:.3g})"
        yield f"{text}."


def corrected_sentence(table: pd.DataFrame, name: str) -> str | None:
    """Whether amplifying one network puts a single prediction right; None where none was looked for."""
    if table.empty:
        return f"{name}: no prediction that the intact model gets wrong was put right by amplifying a network."
    best = table.iloc[0]
    return (
        f"{name}: {best['how']} {best['amount']:g} of {best['network']} of {best['dataset']} puts right an item of "
        f"{best['task']} (margin {best['margin_intact']:.2f} to {best['margin_edited']:.2f}); of all {int(best['choices'])} choices "
        f"the same edit corrects {int(best['corrected_by_edit'])} and spoils {int(best['spoiled_by_edit'])}."
    )


def agreement_sentence(table: pd.DataFrame, name: str) -> str:
    """How many of the comparisons of the three maps are beyond chance, by space."""
    tested = table[table["q"].notna()]
    if tested.empty:
        return f"{name}: no two of the three maps could be compared."
    parts = [
        f"{space} {int((rows['q'] < ALPHA).sum())} of {len(rows)}"
        for space, rows in tested.groupby("space", sort=False)
    ]
    return (
        f"{name}: comparisons of circuits, localized units and networks that exceed chance at q < {ALPHA}, by the space of the "
        f"comparison: {', '.join(parts)}."
    )
