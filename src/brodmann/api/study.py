"""A finished study: tables in long form, figures, maps and models, by name; nobody has to know paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from brodmann.api.tables import TABLES, Table
from brodmann.atlas.maps import localizers, network_datasets
from brodmann.atlas.study import StudyFolder
from brodmann.atlas.view import Atlas
from brodmann.errors import UserError, did_you_mean
from brodmann.statistics.inventory import AVERAGE
from brodmann.store.tables import read_table
from brodmann.tasks.catalogue import domain_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from brodmann.api.redraw import Figures
    from brodmann.models.load import LoadedModel

# One name, several, or all that there are.
Which = str | Sequence[str] | None
_WHERE = "the study"


class Study:
    """A finished study, as its folder of results says it. Nothing in the folder is ever changed.

    Tables are pandas DataFrames in long form, one row per observation. A column says what each row is of
    (``model``, ``task``, ...); the argument of the same name takes a name or a list of names, and without it
    the table has all that the study has. A value that is not defined is NaN. Files are read when a table
    is asked for. What is not there is a ``UserError`` of one line.
    """

    def __init__(self, results: str | Path = "results") -> None:
        self._folder = StudyFolder(results)

    def __repr__(self) -> str:
        return f"Study in {self._folder.results}: {', '.join(self.models)}; {len(self.tasks)} tasks"

    # What the study is of

    @property
    def models(self) -> list[str]:
        """The models, in the order of the config; of some only results may be at hand."""
        return [one.name for one in self._folder.models]

    @property
    def run_models(self) -> list[str]:
        """Those of them that were run: their circuits, units and weights are known."""
        return [one.name for one in self._folder.models if not one.imported]

    @property
    def controls(self) -> list[str]:
        """Those of them that are controls."""
        return [one.name for one in self._folder.models if one.control]

    @property
    def tasks(self) -> list[str]:
        """The tasks, ``domain/name``."""
        return self._folder.tasks

    @property
    def domains(self) -> list[str]:
        """The domains of the tasks."""
        return list(dict.fromkeys(map(domain_of, self.tasks)))

    @property
    def titles(self) -> dict[str, str]:
        """Task -> what figures call it."""
        return self._folder.titles

    @property
    def components(self) -> list[str]:
        """Kinds of units that circuits consist of."""
        return self._folder.components

    @property
    def selections(self) -> list[str]:
        """Sizes and signs of circuits (``sel``)."""
        return self._folder.selections

    @property
    def main_selection(self) -> str:
        """The ``sel`` that figures show."""
        return self._folder.main_selection

    @cached_property
    def localizers(self) -> list[str]:
        """The localizers of any model."""
        return self._of_any(localizers, "localizer", "networks")

    @cached_property
    def datasets(self) -> list[str]:
        """The datasets that any model's networks were found in."""
        return self._of_any(network_datasets, "networks", "datasets")

    # Tables

    def baseline(self, model: Which = None, task: Which = None) -> pd.DataFrame:
        """Whether models do the tasks; a row per model and task.

        Columns: ``model``, ``task``, ``included`` (whether later stages use the task) and the ``reason``;
        ``n_items``, ``n_aligned``, ``n_both_correct``; ``clean_accuracy``, ``corrupted_accuracy``,
        ``both_correct_accuracy`` (shares of the aligned items); ``clean_baseline``, ``corrupted_baseline``
        (mean log-probability of the answer that is right for the clean prompt, less that of the other);
        ``unnormalised``, ``single_answer``.
        """
        return self.table("baseline", model=model, task=task)

    def attribution(
        self, model: Which = None, task: Which = None, *, component: Which = None
    ) -> pd.DataFrame:
        """What every unit contributes to a task; a row per unit.

        Columns: ``model``, ``component``, ``task``, ``layer``, ``unit``, ``score`` (of the normalised
        metric; positive: helps the clean answer). A task that a model was not included with has no rows.
        """
        return self.table("attribution", model=model, task=task, component=component)

    def masks(
        self, model: Which = None, task: Which = None, *, component: Which = None, sel: Which = None
    ) -> pd.DataFrame:
        """The circuits; a row per unit, best first.

        Columns: ``model``, ``component``, ``sel``, ``task``, ``layer``, ``unit``, ``score``, ``weights``
        (of which weights they are units), ``site``.
        """
        return self.table("masks", model=model, task=task, component=component, sel=sel)

    def overlap(
        self,
        model: Which = None,
        *,
        component: Which = None,
        sel: Which = None,
        measure: Which = None,
    ) -> pd.DataFrame:
        """What the circuits of two tasks share; a row per ordered pair, a task with itself among them.

        Columns: ``model``, ``component``, ``sel``, ``measure`` (``containment``, ``jaccard``,
        ``doubly_stochastic``, ``noise_corrected``), ``task``, ``other``, their domains ``task_domain`` and
        ``other_domain``, ``value``. ``model="average"`` has the averages over models.
        """
        return self.table("overlap", model=model, component=component, sel=sel, measure=measure)

    def ablation(
        self,
        model: Which = None,
        target: Which = None,
        *,
        component: Which = None,
        sel: Which = None,
        kind: Which = None,
    ) -> pd.DataFrame:
        """What lesions do to the task ``target``; a row per lesion, random ones among them.

        Columns: ``model``, ``component``, ``sel``, ``kind`` (what silenced units are set to), ``target``,
        ``source`` (the task whose circuit was silenced), ``condition`` (``intact``, ``circuit``,
        ``layer_matched``, ``random``, ...), ``trial``, ``n`` (items), ``k`` (units), ``accuracy``, ``drop``
        (of the accuracy), ``score`` (of the normalised metric), ``ties``. Models of which only results are at
        hand have matrices: ``table("ablation_effects")``.
        """
        return self.table(
            "ablation", model=model, target=target, component=component, sel=sel, kind=kind
        )

    def faithfulness(self, model: Which = None, *, component: Which = None) -> pd.DataFrame:
        """What models still do with nothing but the first units of an order; a row per task, order and size.

        Columns: ``model``, ``component``, ``estimator``, ``task``, ``order`` (of units: the task's ``own``,
        that of another task, random, ...), ``trial``, ``sign``, ``kind``, ``fraction`` (per cent of all
        units that are kept), ``n_units``, ``n`` (items), ``faithfulness``, and its 95 % interval ``low``,
        ``high``. ``table("faithfulness_areas")`` has the areas under these curves.
        """
        return self.table("faithfulness", model=model, component=component)

    def localizer(self, model: Which = None, localizer: Which = None) -> pd.DataFrame:
        """How selective every unit is; a row per unit.

        Columns: ``model``, ``localizer``, ``layer``, ``unit``, ``t`` (Welch's; positive against negative
        texts).
        """
        return self.table("localizer", model=model, localizer=localizer)

    def localized(
        self, model: Which = None, localizer: Which = None, *, selection: Which = None
    ) -> pd.DataFrame:
        """The localized units, and the random units that they are held against; a row per unit.

        Columns: ``model``, ``localizer``, ``selection`` (``top-1.0pct``, ``random-1.0pct-seed42``, ...),
        ``layer``, ``unit``, ``t``, ``weights``, ``site``.
        """
        return self.table("localized", model=model, localizer=localizer, selection=selection)

    def networks(self, model: Which = None, dataset: Which = None) -> pd.DataFrame:
        """The functional networks; a row per network and unit that belongs to it.

        Columns: ``model``, ``dataset``, ``network`` (``network-0``, ...), ``layer``, ``unit``, ``z``.
        """
        return self.table("networks", model=model, dataset=dataset)

    def statistics(self, name: str) -> pd.DataFrame:
        """A table of tests across tasks or models: ``modularity``, ``structure_function``, ...

        docs/statistics.md explains the columns of each.
        """
        files = self._tests()
        return read_table(files[self._one_of(name, list(files), "table of statistics")])

    @cached_property
    def tables(self) -> pd.DataFrame:
        """The tables that the study has: ``name`` (for ``table``), ``row`` (what a row is), ``by`` (by what
        it can be chosen) and ``page`` (which page of the docs explains its columns)."""
        return pd.DataFrame(
            [
                {"name": name, "row": one.row, "by": ", ".join(one.places), "page": one.page}
                for name, one in TABLES.items()
                if next(self._files(one, {}), None)
            ],
            columns=["name", "row", "by", "page"],
        )

    def table(self, name: str, **which: Which) -> pd.DataFrame:
        """Any table of ``tables``; ``which``: of which models, tasks, ... its rows are to be.

        The first columns say what each row is of, those of the file follow.
        """
        if name not in TABLES and name in self._tests():
            what = f"'{name}' is a table of tests"
            raise UserError.at(_WHERE, what, f"study.statistics('{name}')")
        table = TABLES[self._one_of(name, list(TABLES), "table")]
        for place in which:
            self._one_of(place, table.places, f"column of '{name}' to choose by")
        frames = []
        for path, where in self._files(table, which):
            frame = table.read(path)
            own = frame.drop(columns=[place for place in where if place in frame])
            frames.append(pd.DataFrame(where, index=frame.index).join(own))
        if not frames:
            said = ", ".join(f"{place} {value}" for place, value in which.items() if value)
            what = f"there is no table '{name}'" + (f" of {said}" if said else "")
            raise UserError.at(
                str(self._folder.results), what, "study.tables lists those there are"
            )
        # Files without rows know no types of columns.
        return pd.concat([one for one in frames if len(one)] or frames[:1], ignore_index=True)

    # Figures, maps, models

    @property
    def figures(self) -> list[str]:
        """The names of the figures."""
        return list(self._figures.known)

    def figure(self, name: str) -> Figure:
        """A figure, drawn by the function that draws it in the workflow. Your own matplotlib settings stay
        as they are."""
        return self._figures.drawn(self._one_of(name, self.figures, "figure"))[0]

    def figure_data(self, name: str) -> pd.DataFrame:
        """What a figure shows, as the CSV file beside it has it."""
        return self._figures.drawn(self._one_of(name, self.figures, "figure"))[1]

    @cached_property
    def atlas(self) -> Atlas:
        """Its maps of units, and sets of units that can be joined and silenced (docs/atlas.md)."""
        return Atlas(self._folder.results)

    def load_model(self, model: str | None = None, *, site: str | None = None) -> LoadedModel:
        """A model of the study (the first that was run, if none is named), ready to be run, read and edited.

        Its weights are those of the study, or this is an error. ``site``: a site that must be there, else
        those that the study uses. Weights that are not here are fetched.
        """
        from brodmann.api.weights import load

        name = model or next(iter(self.run_models or self.models))
        return load(self._folder, self._one_of(name, self.models, "model"), site)

    # How names are found

    @cached_property
    def _figures(self) -> Figures:
        from brodmann.api.redraw import Figures

        return Figures(self._folder)

    def _files(
        self, table: Table, which: dict[str, Which]
    ) -> Iterator[tuple[Path, dict[str, str]]]:
        """The files of a table that are there, each with what it is of."""
        chosen = [self._chosen(table, place, which.get(place)) for place in table.places]
        for values in product(*chosen):
            where = dict(zip(table.places, values, strict=True))
            path = self._folder.results / table.path.format(**where)
            if path.is_file():
                yield path, where

    def _chosen(self, table: Table, place: str, wanted: Which) -> Sequence[str]:
        """The names at one place of a path: those that are wanted, else all."""
        there = self._names(table, place)
        if wanted is None:
            return there
        every = [*there, AVERAGE] if place == "model" else there
        names = [wanted] if isinstance(wanted, str) else wanted
        return [self._one_of(name, every, place) for name in names]

    def _names(self, table: Table, place: str) -> Sequence[str]:
        """All that the study has at one place of a path."""
        folder = self._folder
        match place:
            case "model":
                return self.models
            case "component":
                return self.components
            case "sel":
                return folder.mask_selections
            case "kind":
                return list(folder.setting("ablation", "kinds", default=["corrupted"]))
            case "estimator":
                return [folder.estimator]
            case "task" | "target":
                return self.tasks
            case "localizer":
                return self.localizers
            case "dataset":
                return self.datasets
            case "selection":
                others = {"lesion", "circuits"}
                files = folder.results.glob("*/localizer/*/*.csv")
                return sorted({file.stem for file in files} - others)
        return table.only[place]

    def _tests(self) -> dict[str, Path]:
        """The tables of tests: name -> file."""
        return {file.stem: file for file in self._folder.results.glob("statistics/*.csv")}

    def _of_any(self, listed: Callable[[Path], list[str]], *setting: str) -> list[str]:
        """What the folders of models have and the config names, in its order; all, if it names none.

        Others are an earlier study's. The config may spell localizers with hyphens.
        """
        found = {one for model in self.models for one in listed(self._folder.results / model)}
        asked = self._folder.setting(*setting)
        if asked is None:
            return sorted(found)
        names = dict.fromkeys(name for one in asked for name in (one, one.replace("-", "_")))
        return [name for name in names if name in found]

    def _one_of(self, name: str, every: Sequence[str], what: str) -> str:
        if name not in every:
            raise UserError.at(_WHERE, f"has no {what} '{name}'", did_you_mean(name, every))
        return name
