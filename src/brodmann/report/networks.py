"""The report's section on functional networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import pandas as pd

from brodmann.comparison.stages.maps import COLUMNS as AGREEMENT
from brodmann.networks.conditions import network_name
from brodmann.networks.consistency import CONSISTENCY, LAYERS, TEMPLATE_IOU
from brodmann.networks.page import visible
from brodmann.networks.stages.corrected import COLUMNS as CORRECTED
from brodmann.networks.stages.corrected import not_run
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.networks.stages.following import DRIVING_COLUMNS
from brodmann.report import verdicts
from brodmann.report.page import Cell, Group, Marked, Picture, Section, Table
from brodmann.report.sources import Sources
from brodmann.report.verdicts import ALPHA, Verdict
from brodmann.report.wording import big, draws_text, numbered
from brodmann.sites import SITES
from brodmann.statistics.printed import show_p
from brodmann.store.tables import read_table

_EXAMPLES = 4  # texts that are shown of each network
_PAGES = "interpretation"  # the folder of pages beside the report


def networks_section(sources: Sources) -> Section:
    """Networks of all models that have them: what they cost, what drives them, whether they come back."""
    study, settings, say = sources.study, sources.study.networks, sources.say
    models, iou = study.network_models, settings.iou_threshold
    seeds = settings.use.editing.seeds
    draws = numbered("seed", seeds) if seeds else "none"
    figures = [one for name in models for one in sources.figures("networks", name, draws=draws)]
    edited, again, maps = (
        [one for one in figures if one.path.stem.startswith(f"networks_{name}")]
        for name in ("editing", "consistency", "agreement")
    )
    rest = [one for one in figures if one not in (*edited, *again, *maps)]
    tables = [_driving_table(sources, name) for name in models]
    back = [
        *_say(sources, "networks.consistency", "consistency", CONSISTENCY, iou),
        *_say(sources, "networks.shared", "template_iou", TEMPLATE_IOU, iou),
    ]
    alike = _say(sources, "networks.agreement", "agreement", AGREEMENT)
    others = [*edited[1:], *rest, *sources.figures("networks_across")]
    groups = [
        Group("What drives each network", say("networks.driving"), tables=tables),
        Group("Do networks come back?", back, again),
        Group("Do the three maps coincide?", alike, maps),
        _corrections(sources),
        Group("Where networks lie, edits and other models", figures=others),
        _courses(sources),
    ]
    lead = say("networks.lead", settings, SITES[settings.site].label, _other_corpus(sources))
    for name in models[:1]:
        lead += say("networks.finding", name, *inhibited(sources, name))
    shown = [_table(sources, name) for name in models]
    return Section("Functional networks", lead, edited[:1], shown, list(filter(None, groups)))


def _say(sources: Sources, place: str, file: str, columns: Any, *more: Any) -> list[str]:
    """What the template says of the table of each model."""
    tables = {
        name: read_table(sources.results / name / "networks" / f"{file}.csv", columns)
        for name in sources.study.network_models
    }
    every = (sources.say(place, own, sources.called(name), *more) for name, own in tables.items())
    return list(chain.from_iterable(every))


def inhibited(sources: Sources, model: str) -> tuple[Inhibition | None, Verdict]:
    """What inhibiting each network of a model costs, and whether the model needs any of them."""
    path = sources.results / model / "networks" / "editing.csv"
    found = Inhibition.of(read_table(path, EDITING))
    if found is None:
        return None, verdicts.some_needed(0, 0, 0, 0)
    draws, tested = len(sources.study.networks.use.editing.seeds), len(found.tested)
    passages = found.passages if tested else 0
    return found, verdicts.some_needed(found.costly(ALPHA), tested, draws, passages)


def coinciding(sources: Sources, model: str) -> tuple[int, int]:
    """Comparisons of the three maps: (those at q < alpha, all that were tested)."""
    table = read_table(sources.results / model / "networks" / "agreement.csv", AGREEMENT)
    tested = table.dropna(subset=["q"])
    return int((tested["q"] < ALPHA).sum()), len(tested)


def _other_corpus(sources: Sources) -> bool:
    """Whether edits are measured on another text than lesions."""
    editing, lesion = sources.study.networks.use.editing, sources.study.localizer.lesion
    same = (editing.corpus, editing.passages) == (lesion.corpus, lesion.passages)
    return bool(sources.study.localizer.networks) and not same


def _table(sources: Sources, model: str) -> Table:
    """A row per network of a model."""
    folder = sources.results / model / "networks"
    settings = sources.study.networks
    again = read_table(folder / "consistency.csv", CONSISTENCY)
    layers = read_table(folder / "layers.csv", LAYERS)
    layers = layers[layers["level"] == "group"]
    found, _ = inhibited(sources, model)
    rows: list[list[Cell]] = []
    driving = {name: driving_of(sources, model, name) for name in settings.names}
    for row in again.to_dict("records"):
        dataset, number = row["dataset"], int(row["template"])
        name = network_name(number)
        own = layers[(layers["dataset"] == dataset) & (layers["template"] == number)]
        cost = found.of_network(dataset, name) if found is not None else None
        active = driving[dataset][driving[dataset]["network"] == name]
        rows.append(
            [
                f"{number} of {dataset}",
                str(int(row["n_units"])),
                _depth(own),
                label_of(active),
                "yes" if row["identified"] else "depends on the start",
                "–"
                if not row["denominator"] > 0
                else f"{int(row['count'])} of {int(row['denominator'])}",
                *(["–"] * 4 if cost is None else cost),
            ]
        )
    heads = ("network", "units", "layers", "active at", "identified", "found again", "intact")
    heads += ("without the units", "without random units", "q")
    caption = f"{sources.called(model)}: perplexity per token when a network is inhibited."
    source = f"{model}/networks/editing.csv"
    return Table(caption, heads, rows, frozenset({0, 2, 3, 4}), source)


def _depth(rows: pd.DataFrame) -> str:
    """The layer that holds most units of a network, and how many."""
    rows = rows[rows["n_units"] > 0]
    if rows.empty:
        return "–"
    most = rows.loc[rows["n_units"].idxmax()]
    return f"{int(most['n_units'])} in layer {int(most['layer'])}"


# What drives networks


def driving_of(sources: Sources, model: str, dataset: str) -> pd.DataFrame:
    """The tokens at which a dataset's networks are strongest, network by network, strongest first."""
    path = sources.results / model / "networks" / dataset / "driving.csv"
    table = read_table(path, DRIVING_COLUMNS)
    texts = ("before", "token", "after")
    return table.assign(**{name: table[name].fillna("").astype(str) for name in texts})


def label_of(driving: pd.DataFrame) -> str:
    """A network's label: the first token of texts, if most of its strongest tokens are; or the commonest."""
    if driving.empty:
        return "–"
    if (driving["before"].str.strip() == "").mean() > 0.5:
        return "the first token of a text"
    words = Counter(word for one in driving["token"] if (word := visible(one.strip()).lower()))
    return ", ".join(f"\u201c{word}\u201d" for word, _ in words.most_common(3)) or "–"


def _driving_table(sources: Sources, model: str) -> Table:
    rows: list[list[Cell]] = []
    for dataset in sources.study.networks.names:
        table = driving_of(sources, model, dataset)
        file = f"{model}/networks/{dataset}/driving.csv"
        for name, own in table.groupby("network", sort=False):
            called = f"{str(name).removeprefix('network-')} of {dataset}"
            examples = Marked(tuple(_examples(own)))
            rows.append([sources.link(file, called), label_of(own), examples])
    heads = ("network", "active at", "texts that drive it most")
    return Table(f"{sources.called(model)}.", heads, rows, frozenset({0, 1, 2}))


def _examples(table: pd.DataFrame) -> Iterator[tuple[str, bool]]:
    """The strongest tokens in their texts, a line each."""
    for number, row in enumerate(table.head(_EXAMPLES).to_dict("records")):
        yield ("\n" if number else "") + f"\u2026{visible(row['before'])}", False
        yield visible(row["token"]), True
        yield f"{visible(row['after'])}\u2026", False


# Pages beside the report


def _corrections(sources: Sources) -> Group:
    missing = not_run(sources.study.networks.use.editing)
    said = _say(sources, "networks.corrected", f"{_PAGES}/corrected", CORRECTED, missing)
    files = [f"{name}/networks/{_PAGES}/corrected.html" for name in sources.study.network_models]
    title = "Does amplifying a network correct a prediction?"
    return Group(title, said, links=list(map(sources.link, files)))


def _courses(sources: Sources) -> Group:
    courses, links = [], []
    for name, dataset in product(sources.study.network_models, sources.study.networks.names):
        folder = f"{name}/networks/{_PAGES}"
        title = f"Networks over a text: {name}, {dataset}"
        path = sources.results / folder / f"course.{dataset}.svg"
        courses.append(Picture(path, title, "", folder))
        links.append(sources.link(f"{folder}/course.{dataset}.html"))
    lead = sources.say("networks.course") if courses else []
    return Group("Networks over an example text", lead, courses, links=links)


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

    def of_network(self, dataset: str, name: str) -> list[str] | None:
        """Cells of a table: intact, without it, without random units, q; None if it was not inhibited."""
        own = self.rows[(self.rows["dataset"] == dataset) & (self.rows["condition"] == name)]
        if own.empty:
            return None
        row = own.iloc[0]
        drawn = self.drawn[(self.drawn["dataset"] == dataset) & (self.drawn["control_of"] == name)]
        random = draws_text(drawn["value"]) if len(drawn) else "–"
        return [big(row["intact"]), big(row["value"]), random, show_p(row["q_random"])]

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
