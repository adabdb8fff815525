"""The report's section on functional networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import numpy as np
import pandas as pd

from brodmann.comparison.stages.maps import COLUMNS as AGREEMENT
from brodmann.localizers.stages.massive import COLUMNS as MASSIVE
from brodmann.networks.conditions import RANDOM, network_name
from brodmann.networks.consistency import CONSISTENCY, LAYERS
from brodmann.networks.driving import labels, read_driving
from brodmann.networks.maps import Networks
from brodmann.networks.page import visible
from brodmann.networks.stages.corrected import COLUMNS as CORRECTED
from brodmann.networks.stages.corrected import not_run
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.report import verdicts
from brodmann.report.localizers import corpus_of
from brodmann.report.massive import of_networks
from brodmann.report.page import Cell, Group, Marked, Picture, Section, Table
from brodmann.report.recurrence import across_datasets, usable_networks
from brodmann.report.sources import Sources
from brodmann.report.verdicts import ALPHA, Verdict
from brodmann.report.wording import big, draws_text, massive_text, numbered
from brodmann.runner.experiment import ACTIVATION_MATCHED
from brodmann.sites import SITES
from brodmann.statistics.printed import show_p
from brodmann.store.tables import read_table

_EXAMPLES = 4  # texts that are shown of each network
# What two maps share.
SPACES = {
    "units": "IoU of units",
    "written": "share of squared write vectors",
    "layers": "common part of layer distributions",
}
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
    across = sources.figures("networks_across")
    tables = [_driving_table(sources, name) for name in models]
    back = [text for name in models for text in _coming_back(sources, name, iou)]
    alike = _say(sources, "networks.agreement", "agreement", AGREEMENT)
    others = [*edited[1:], *rest, *across]
    groups = [
        Group("What drives each network", say("networks.driving"), tables=tables),
        Group("Do networks come back?", back, again),
        Group("Are the maps more alike than chance?", alike, maps),
        _corrections(sources),
        Group(
            f"Where networks lie{', edits and other models' if across else ' and edits'}",
            figures=others,
        ),
        _courses(sources),
    ]
    corpus = corpus_of(settings.use.editing)
    lead = say(
        "networks.lead", settings, SITES[settings.site].label, corpus, _other_corpus(sources)
    )
    for name in models[:1]:
        lead += say("networks.finding", name, *inhibited(sources, name))
        lead += of_networks(sources, name)
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


def _coming_back(sources: Sources, model: str, iou: float) -> list[str]:
    """In single texts, then among templates of other datasets."""
    table = read_table(sources.results / model / "networks" / "consistency.csv", CONSISTENCY)
    called, usable = sources.called(model), usable_networks(sources, model)
    return [
        *sources.say("networks.consistency", table, called, iou, usable),
        *sources.say("networks.shared", across_datasets(sources, model), called, iou),
    ]


def inhibited(sources: Sources, model: str) -> tuple[Inhibition | None, Verdict]:
    """What inhibiting each network of a model costs, and whether the model needs any of them."""
    found = _inhibition(sources, model, massive_members(sources, model))
    if found is None:
        return None, verdicts.some_needed(0, 0, 0, 0)
    return found, found.verdict(len(sources.study.networks.use.editing.seeds))


Held = Mapping[tuple[str, str], pd.DataFrame]


def _inhibition(sources: Sources, model: str, massive: Held | None) -> Inhibition | None:
    table = read_table(sources.results / model / "networks" / "editing.csv", EDITING)
    return Inhibition.of(table, massive)


def massive_members(sources: Sources, model: str) -> Held | None:
    """(dataset, network) -> its units on massive activations, as ``massive.csv`` has them; None where these
    are not known: localizers look for them, at their own site.

    A dimension of the residual stream is one in all layers: what attention and MLPs write on it counts.
    """
    study, folder = sources.study, sources.results / model
    own, other = SITES[study.networks.site], SITES[study.localizer.site]
    stream = own.residual and other.residual
    if not study.localizer.networks or not (stream or own is other):
        return None
    massive = read_table(folder / "localizer" / "massive.csv", MASSIVE)
    places = set(zip(massive["layer"].astype(int), massive["unit"].astype(int), strict=True))
    dimensions = {unit for _, unit in places}
    found = {}
    for dataset in study.networks.names:
        templates = Networks.load(folder / "networks" / dataset / "templates.safetensors")
        for number, members in enumerate(templates.members):
            units = [(int(layer), int(unit)) for layer, unit in np.argwhere(members)]
            held = [one for one in units if (one[1] in dimensions if stream else one in places)]
            table = pd.DataFrame(held, columns=["layer", "unit"])
            found[dataset, network_name(number)] = table
    return found


def compared(sources: Sources, model: str) -> pd.DataFrame:
    """The comparisons of the three maps that were tested."""
    path = sources.results / model / "networks" / "agreement.csv"
    return read_table(path, AGREEMENT).dropna(subset=["q"])


def alikeness(tested: pd.DataFrame) -> Iterator[str]:
    """``IoU of units 0.013 (chance 0.003)``: medians of what two maps share, space by space."""
    for space, own in tested.groupby("space", sort=False):
        observed, chance = own["observed"].median(), own["chance"].median()
        yield f"{SPACES.get(str(space), space)} {observed:.2g} (chance {chance:.2g})"


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
    usable = usable_networks(sources, model)
    layers = read_table(folder / "layers.csv", LAYERS)
    layers = layers[layers["level"] == "group"]
    massive = massive_members(sources, model)
    found = _inhibition(sources, model, massive)
    rows: list[list[Cell]] = []
    costs = ["intact", "without the units", "without random units", "q"]
    if settings.use.editing.activation_matched_seeds:
        costs += ["without units as active", "their activity", "q beside these"]
    said = {name: labels(folder / name) for name in settings.names}
    for row in again.to_dict("records"):
        dataset, number = row["dataset"], int(row["template"])
        name = network_name(number)
        own = layers[(layers["dataset"] == dataset) & (layers["template"] == number)]
        cost = found.of_network(dataset, name) if found is not None else None
        rows.append(
            [
                f"{number} of {dataset}",
                str(int(row["n_units"])),
                _depth(own),
                said[dataset].get(name, "–"),
                "yes" if row["identified"] else "depends on the start",
                f"{int(row['count'])} of {usable[dataset]}" if usable.get(dataset) else "–",
                "not known" if massive is None else massive_text(massive[dataset, name]),
                *(["–"] * len(costs) if cost is None else cost),
            ]
        )
    heads = ("network", "units", "layers", "course", "identified", "found again")
    heads += ("massive activations", *costs)
    caption = f"{sources.called(model)}: perplexity per token when a network is inhibited."
    source = f"{model}/networks/editing.csv"
    return Table(caption, heads, rows, frozenset({0, 2, 3, 4, 6}), source)


def _depth(rows: pd.DataFrame) -> str:
    """The layer that holds most units of a network, and how many."""
    rows = rows[rows["n_units"] > 0]
    if rows.empty:
        return "–"
    most = rows.loc[rows["n_units"].idxmax()]
    return f"{int(most['n_units'])} in layer {int(most['layer'])}"


# What drives networks


def _driving_table(sources: Sources, model: str) -> Table:
    rows: list[list[Cell]] = []
    for dataset in sources.study.networks.names:
        folder = sources.results / model / "networks" / dataset
        table, said = read_driving(folder / "driving.csv"), labels(folder)
        file = f"{model}/networks/{dataset}/driving.csv"
        for name, own in table.groupby("network", sort=False):
            called = f"{str(name).removeprefix('network-')} of {dataset}"
            examples = Marked(tuple(_examples(own)))
            rows.append([sources.link(file, called), said[str(name)], examples])
    heads = ("network", "course", "texts that drive it most")
    caption = f"{sources.called(model)}: where each network's course is strongest."
    return Table(caption, heads, rows, frozenset({0, 1, 2}))


def _examples(table: pd.DataFrame) -> Iterator[tuple[str, bool]]:
    """The strongest tokens in their texts, a line each."""
    for number, row in enumerate(table.head(_EXAMPLES).to_dict("records")):
        dots = "\u2026" if row["before"] else ""  # nothing stands before a first token
        yield ("\n" if number else "") + f"{dots}{visible(row['before'])}", False
        yield visible(row["token"]), True
        yield f"{visible(row['after'])}\u2026", False


# Pages beside the report


def _corrections(sources: Sources) -> Group:
    missing = not_run(sources.study.networks.use.editing)
    said = _say(sources, "networks.corrected", f"{_PAGES}/corrected", CORRECTED, missing)
    models = () if missing else sources.study.network_models  # a page would say the same again
    files = [f"{name}/networks/{_PAGES}/corrected.html" for name in models]
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
    matched: (
        pd.DataFrame
    )  # with random units that are as active; none where a study has no such controls
    massive: Held | None = None  # of ``massive_members``

    @classmethod
    def of(cls, table: pd.DataFrame, massive: Held | None = None) -> Inhibition | None:
        """From ``editing.csv``; None where no network was inhibited by itself."""
        rows = table[(table["how"] == "inhibit") & (table["metric"] == "perplexity")]
        own = rows[rows["condition"].astype(str).str.startswith("network-") & rows["value"].notna()]
        drawn, matched = (rows[rows["condition"] == one] for one in (RANDOM, ACTIVATION_MATCHED))
        return None if own.empty else cls(own, drawn, matched, massive)

    @property
    def worst(self) -> dict[str, Any]:
        """The network whose loss costs most."""
        return self.rows.loc[self.rows["value"].idxmax()].to_dict()

    @property
    def random(self) -> pd.Series:
        """Perplexities without the random units that the worst one is compared with."""
        return _like(self.drawn, self.worst)["value"]

    @property
    def as_active(self) -> pd.Series:
        """The same of random units that are as active."""
        return _like(self.matched, self.worst)["value"]

    def of_network(self, dataset: str, name: str) -> list[str] | None:
        """Cells of a table: intact, without it, without random units, q; and, where there are units that are
        as active, without these, their activity by its own, q. None if it was not inhibited."""
        own = self.rows[(self.rows["dataset"] == dataset) & (self.rows["condition"] == name)]
        if own.empty:
            return None
        row = own.iloc[0].to_dict()
        drawn, matched = _like(self.drawn, row), _like(self.matched, row)
        cells = [big(row["intact"]), big(row["value"]), _draws(drawn), show_p(row["q_random"])]
        if self.matched.empty:
            return cells
        ratio = matched["activation"].mean() / row["activation"]
        share = f"{ratio:.2f}" if len(matched) else "–"
        return [*cells, _draws(matched), share, show_p(row["q_matched"])]

    @property
    def tested(self) -> pd.DataFrame:
        """The networks that were set against random units."""
        return self.rows[self.rows["q_random"].notna()]

    @property
    def most_draws(self) -> int:
        """Draws of random units for a network."""
        return int(self.drawn.groupby(["dataset", "control_of"]).size().max())

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a network has units on massive activations, as far as these are known."""
        key = row["dataset"], row["condition"]
        return self.massive is not None and not self.massive[key].empty

    @property
    def held(self) -> int:
        """How many of the tested networks do."""
        return sum(map(self.holds, self.tested.to_dict("records")))

    @property
    def comparable(self) -> pd.DataFrame:
        """The tested networks that have none, as random units mostly have none."""
        held = [self.holds(row) for row in self.tested.to_dict("records")]
        return self.tested[~np.array(held, dtype=bool)]

    @property
    def beyond(self) -> pd.DataFrame:
        """The comparable networks whose loss costs something, and more than each of their draws."""
        return _beyond(self.comparable, self.drawn)

    @property
    def beyond_as_active(self) -> pd.DataFrame:
        """The same beside units that are as active."""
        return _beyond(self.comparable, self.matched)

    def significant(self, alpha: float) -> int:
        """Of these, how many exceed the draws' mean at q < ``alpha``, over passages."""
        return int((self.beyond["q_random"] < alpha).sum())

    def verdict(self, draws: int) -> Verdict:
        """Whether the model needs any of the networks. ``draws``: of random units, for each."""
        counts = len(self.beyond), self.significant(ALPHA), len(self.comparable), draws
        return verdicts.some_needed(*counts, looked=self.massive is not None)


def _like(drawn: pd.DataFrame, row: Mapping[str, Any]) -> pd.DataFrame:
    """The draws that control one network."""
    same = drawn["dataset"] == row["dataset"]
    return drawn[same & (drawn["control_of"] == row["condition"])]


def _draws(drawn: pd.DataFrame) -> str:
    return draws_text(drawn["value"]) if len(drawn) else "–"


def _beyond(own: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """The networks whose loss costs something, and more than each of their draws."""
    most = drawn.groupby(["dataset", "control_of"])["value"].max()
    beside = pd.Series(zip(own["dataset"], own["condition"], strict=True)).map(most)
    costs = own["value"] > own["intact"]
    return own[costs & (own["value"].to_numpy() > beside.to_numpy())]
