"""The report's section on functional networks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd

from brodmann.comparison.stages.maps import COLUMNS as AGREEMENT
from brodmann.networks.consistency import CONSISTENCY, TEMPLATE_IOU
from brodmann.networks.stages.corrected import COLUMNS as CORRECTED
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.report.page import Group, Picture, Section
from brodmann.report.sources import Sources
from brodmann.report.wording import numbered
from brodmann.store.tables import read_table


def networks_section(sources: Sources) -> Section:
    """Networks of all models that have them: templates, consistency, what inhibition costs, a course."""
    study, settings = sources.study, sources.study.networks
    seeds = settings.use.editing.seeds
    draws = numbered("seed", seeds) if seeds else "none"
    found: list[str] = []
    figures: list[Picture] = []
    for name in study.network_models:
        found += _sentences(sources, name)
        figures += sources.figures("networks", name, draws=draws)
    figures += sources.figures("networks_across")
    courses = []
    for name, dataset in product(study.network_models, settings.names):
        folder, title = (
            f"{name}/networks/interpretation",
            f"Networks over a text: {name}, {dataset}",
        )
        [caption] = sources.say("networks.course", f"results/{folder}/course.{dataset}.html")
        path = sources.results / folder / f"course.{dataset}.svg"
        courses.append(Picture(path, title, caption, folder))
    return Section(
        "Functional networks",
        sources.say("networks.lead", settings),
        found,
        figures,
        more=[Group("Networks over an example text", figures=courses)],
    )


def _sentences(sources: Sources, model: str) -> list[str]:
    folder, say = sources.results / model / "networks", sources.say
    name, iou = sources.called(model), sources.study.networks.iou_threshold
    inhibition = Inhibition.of(read_table(folder / "editing.csv", EDITING))
    corrected = read_table(folder / "interpretation" / "corrected.csv", CORRECTED)
    return [
        *say(
            "networks.consistency", read_table(folder / "consistency.csv", CONSISTENCY), name, iou
        ),
        *say("networks.shared", read_table(folder / "template_iou.csv", TEMPLATE_IOU), name, iou),
        *say("networks.inhibition", inhibition, name),
        *say("networks.agreement", read_table(folder / "agreement.csv", AGREEMENT), name),
        *say("networks.corrected", corrected, name),
    ]


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
    def worst(self) -> dict[str, Any]:
        """The network whose loss costs most."""
        return self.rows.loc[self.rows["value"].idxmax()].to_dict()

    @property
    def random(self) -> pd.Series:
        """Perplexities without the random units that the worst one is compared with."""
        drawn, worst = self.drawn, self.worst
        beside = drawn["dataset"] == worst["dataset"]
        return drawn[beside & (drawn["control_of"] == worst["condition"])]["value"]

    @property
    def tested(self) -> pd.DataFrame:
        """The networks that were set against random units."""
        return self.rows[self.rows["q_random"].notna()]

    @property
    def passages(self) -> int:
        """That they were tested over."""
        return int(self.tested["n"].max())

    def costly(self, alpha: float) -> int:
        """Networks that cost more than each draw, and at q < ``alpha`` more than the draws' mean."""
        # q is over passages: how much draws of random units differ is seen from the draws alone.
        tested, most = self.tested, self.drawn.groupby(["dataset", "control_of"])["value"].max()
        beside = pd.Series(zip(tested["dataset"], tested["condition"], strict=True)).map(most)
        beyond = tested["value"].to_numpy() > beside.to_numpy()
        return int(((tested["q_random"] < alpha) & beyond).sum())
