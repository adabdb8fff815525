"""The report's section on functional localizers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from brodmann.config.localizer import LesionSettings, LocalizerSettings
from brodmann.config.networks import EditingSettings
from brodmann.config.selection import selection_words
from brodmann.localizers import localizer_name
from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.localizers.stages.massive import COLUMNS as MASSIVE
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.report import verdicts
from brodmann.report.massive import massive_groups
from brodmann.report.page import Cell, Group, Section, Table
from brodmann.report.sources import Sources
from brodmann.report.verdicts import ALPHA, Passages, Verdict
from brodmann.report.wording import big, draws_text, massive_text, numbered, share
from brodmann.report.writing import tested_circuits, writings
from brodmann.sites import SITES
from brodmann.statistics.printed import show_p
from brodmann.store.tables import read_table

UNITS = ("layer", "unit")  # of a selection
WRITE = "Do circuits write on localized units?"  # opened on demand
# Kind of lesion -> where units are held.
HELD = {"zero": "zero", "mean": "their mean"}


def localizers_section(sources: Sources) -> Section:
    """Localized units, their lesions, and what circuits write on them."""
    settings, say = sources.study.localizer, sources.say
    every = list(localized(sources))
    seeds = settings.lesion.seeds
    draws = f" ({numbered('seed', seeds)}; circles)" if seeds else ""
    figures = sources.figures("localizers", draws=draws)
    main = [one for one in figures if one.path.stem == "localizer_lesion"]
    written = [one for one in figures if one.path.stem == "localizer_circuits"]
    rest = [one for one in figures if one not in (*main, *written)]
    first = [one for one in every if one.name not in sources.study.controls][:1]
    groups = [
        *massive_groups(sources, every),
        Group("Tasks without the localized units", tables=_task_tables(sources, every)),
        Group(
            WRITE,
            [text for one in writings(sources) for text in say("localizers.writing", one)],
            written,
        ),
        Group("Where the units are", figures=rest, tables=[_responding_table(sources, every)]),
    ]
    return Section(
        "Functional localizers",
        [
            *say("localizers.lead", settings.networks, corpus_of(settings.lesion)),
            *_finding(sources, first, _broken(every)),
        ],
        main,
        [_lesion_table(sources, every)],
        [group for group in groups if group],
    )


@dataclass(frozen=True)
class Localized:
    """One localizer of one model: its lesions, in the order of the table, and the massive activations."""

    name: str
    shown: str  # the model, controls marked
    network: str
    lesions: Sequence[Lesion]
    massive: pd.DataFrame  # of massive.csv, of this localizer
    vocabulary: int  # tokens of the model
    # Selection, random ones as well -> its dimensions; empty where units are none of the residual stream.
    dimensions: Mapping[str, int] = field(default_factory=dict)

    def holds(self, selection: str) -> pd.DataFrame:
        """The massive activations among the units of a selection."""
        return self.massive[self.massive["selection"] == selection]

    def random_holds(self, lesion: Lesion) -> int:
        """Random controls of a lesion that hold a massive activation."""
        return self.random_held(lesion)["selection"].nunique()

    def random_held(self, lesion: Lesion) -> pd.DataFrame:
        """The massive activations among the random controls of a lesion."""
        size = lesion.corpus["selection"].rpartition("-")[2]
        return self.massive[self.massive["selection"].str.startswith(f"random-{size}-")]

    def in_dimensions(self, lesion: Lesion) -> str:
        """``in 57 dimensions``: a dimension is one in all layers; nothing where that is not known."""
        number = self.dimensions.get(lesion.corpus["selection"])
        return "" if number is None else f"in {number:,} dimensions"

    def random_dimensions(self, lesion: Lesion) -> str:
        """``143`` or ``140 to 146``: dimensions of a lesion's random controls."""
        size = lesion.corpus["selection"].rpartition("-")[2]
        own = [n for name, n in self.dimensions.items() if name.startswith(f"random-{size}-")]
        return " to ".join(f"{n:,}" for n in dict.fromkeys([min(own), max(own)])) if own else ""

    def verdict(self, lesion: Lesion) -> Verdict:
        """Whether the model needs the units more than random ones."""
        intact, row = lesion.intact["perplexity", ""], lesion.corpus
        massive = not self.holds(row["selection"]).empty
        test = Passages(int(row["n"]), row["p_random"], row["q_random"])
        return verdicts.needed(row["value"], intact, list(lesion.random), test, massive=massive)


def localized(sources: Sources) -> Iterator[Localized]:
    """Every localizer of every model that was run."""
    for name in sources.study.run_models if sources.study.localizer.networks else ():
        every = read_table(sources.results / name / "localizer" / "massive.csv", MASSIVE)
        vocabulary = ModelCard.read(sources.results / name / "model.json").vocabulary_size
        every = every.astype({"network": object, "selection": object}).fillna("")
        for network in sources.study.localizer.networks:
            folder = sources.results / name / "localizer" / network
            lesions = list(Lesion.all_of(read_table(folder / "lesion.csv", LESIONS)))
            own, shown = every[every["network"] == network], sources.called(name)
            yield Localized(
                *(name, shown, network, lesions, own, vocabulary),
                _dimensions(sources.study.localizer, folder),
            )


def _dimensions(settings: LocalizerSettings, folder: Path) -> dict[str, int]:
    """Selection of a localizer -> dimensions of its units, be they in one layer or in many."""
    if not SITES[settings.site].residual:
        return {}
    tables = {name: read_table(folder / f"{name}.csv", UNITS) for name in settings.selections}
    return {name: table["unit"].nunique() for name, table in tables.items()}


def corpus_of(settings: LesionSettings | EditingSettings) -> str:
    """The text whose perplexity is measured, in words."""
    number = "all" if settings.passages is None else f"the first {settings.passages}"
    return f"{number} passages of {Path(settings.corpus or '').name}"


def _broken(every: Sequence[Localized]) -> list[tuple[str, float]]:
    """Models whose intact perplexity exceeds that of a uniform guess over their vocabulary, with it."""
    found = {}
    for one in every:
        for lesion in one.lesions[:1]:
            if (intact := lesion.intact["perplexity", ""]) > one.vocabulary:
                found[one.shown] = intact
    return list(found.items())


def _finding(
    sources: Sources, found: Sequence[Localized], above: Sequence[tuple[str, float]]
) -> list[str]:
    return [
        text
        for one in found
        for lesion in one.lesions[:1]
        for text in sources.say("localizers.finding", one, lesion, str(one.verdict(lesion)), above)
    ]


def _lesion_table(sources: Sources, every: Sequence[Localized]) -> Table:
    rows: list[list[Cell]] = []
    for one in every:
        folder, shown = f"{one.name}/localizer", localizer_name(one.network)
        for lesion in one.lesions:
            row, intact = lesion.corpus, lesion.intact["perplexity", ""]
            held = one.holds(row["selection"])
            rows.append(
                [
                    one.shown,
                    sources.link(f"{folder}/{one.network}/lesion.csv", shown),
                    f"{_number(one, lesion)} ({_words(row)}; held at {HELD[row['kind']]})",
                    sources.link(f"{folder}/massive.csv", massive_text(held)),
                    big(intact),
                    big(row["value"]),
                    draws_text(lesion.random) if len(lesion.random) else "–",
                    show_p(row["p_random"]),
                    show_p(row["q_random"]),
                    "–" if one.name in sources.study.controls else str(one.verdict(lesion)),
                ]
            )
    heads = ("model", "localizer", "units", "massive activations", "intact", "without the units")
    heads += ("without random units", "p", "q", "verdict")
    caption = f"Perplexity per token ({corpus_of(sources.study.localizer.lesion)}) when units are silenced."
    return Table(caption, heads, rows, frozenset({0, 1, 2, 3, 9}))


def _number(one: Localized, lesion: Lesion) -> str:
    """``172 in 57 dimensions``."""
    return f"{int(lesion.corpus['k']):,} {one.in_dimensions(lesion)}".strip()


def _words(row: Mapping[str, Any]) -> str:
    return selection_words(str(row["selection"]), "units")


def _task_tables(sources: Sources, every: Sequence[Localized]) -> list[Table]:
    rows = []
    for one in every:
        for lesion in one.lesions:
            for row in lesion.tasks.to_dict("records"):
                random = lesion.random_tasks[lesion.random_tasks["task"] == row["task"]]["value"]
                ends = dict.fromkeys([share(random.min()), share(random.max())])
                between = "–" if random.empty else " to ".join(ends)
                shown = [one.shown, localizer_name(one.network)]
                shown += [_words(row), sources.task(row["task"]), str(int(row["n"]))]
                shown += [share(lesion.intact["accuracy", row["task"]]), share(row["value"])]
                rows.append([*shown, between, show_p(row["q_random"])])
    heads = ("model", "localizer", "selection", "task", "items", "intact", "without the units")
    heads += ("without random units", "q")
    caption = "Accuracy when the units are silenced."
    return [Table(caption, heads, rows, frozenset({0, 1, 2, 3}))] if rows else []


def _responding_table(sources: Sources, every: Sequence[Localized]) -> Table:
    rows: list[list[Cell]] = []
    for one in every:
        folder = sources.results / one.name / "localizer" / one.network
        tensors = load_file(folder / "selectivity.safetensors")
        passed = responding(tensors["t"], tensors["p_fdr"])
        writing = ["–", "–"]
        if (tested := tested_circuits(sources, one.name, one.network)) is not None:
            count = int((tested["q"] < ALPHA).sum())
            ratio = tested["ratio"].median()
            writing = [f"{count} of {len(tested)}", "–" if tested.empty else f"{ratio:.2f}"]
        shown = localizer_name(one.network)
        card = ModelCard.read(sources.results / one.name / "model.json")
        there = Population.at(card, sources.study.localizer.site)
        rows.append([one.shown, shown, f"{passed:,} of {len(there):,}", *writing])
    heads = (
        "model",
        "localizer",
        "responding units",
        "circuits that write on them",
        "median ratio",
    )
    caption = (
        f"Units that respond more to the first kind of text than to the second, q < {ALPHA:g}."
    )
    return Table(caption, heads, rows, frozenset({0, 1}))


def responding(t: np.ndarray, p_fdr: np.ndarray) -> int:
    """How many units pass the false discovery rate. ``t``, ``p_fdr``: [layers, units]."""
    return int(((p_fdr < ALPHA) & (t > 0)).sum())


@dataclass(frozen=True)
class Lesion:
    """One size and kind of a network's lesion, beside the intact model and the random lesions."""

    corpus: dict[str, Any]  # the row of the corpus's perplexity
    tasks: pd.DataFrame  # a row a task: accuracy
    random: pd.Series  # perplexities of the random lesions
    random_tasks: pd.DataFrame  # a row a task and random lesion: accuracy
    intact: pd.Series  # (measure, task or "") -> value

    @classmethod
    def all_of(cls, table: pd.DataFrame) -> Iterator[Lesion]:
        """The lesions of ``lesion.csv``, in its order."""
        intact = table[table["condition"] == "intact"].astype({"task": object}).fillna({"task": ""})
        values = intact.set_index(["measure", "task"])["value"]
        lesions = table[table["condition"].isin(("lesion", "random"))]
        for _, rows in lesions.groupby(["selection", "kind"], sort=False):
            of = {key: own for key, own in rows.groupby(["condition", "measure"])}
            corpus, none = of["lesion", "perplexity"].iloc[0].to_dict(), rows.iloc[:0]
            random = of.get(("random", "perplexity"), none)["value"]
            own, drawn = (of.get((name, "accuracy"), none) for name in ("lesion", "random"))
            yield cls(corpus, own, random, drawn, values)

    @staticmethod
    def loss(perplexity: float) -> str:
        """In nats per token."""
        return f"{np.log(perplexity):.2f}"

    @property
    def smallest(self) -> bool:
        """Whether p is the smallest of two-sided signed ranks: of 2^n sign patterns the two most extreme."""
        return bool(np.isclose(self.corpus["p_random"], 2.0 ** (1 - int(self.corpus["n"]))))
