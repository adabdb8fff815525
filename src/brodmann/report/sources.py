"""What the report is read from: the study, its results, and which figures it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from brodmann.circuits.stages.ablation import COLUMNS as LESIONS
from brodmann.config.statistics import PAIRWISE
from brodmann.config.study import Study
from brodmann.figures.registry import Scene, called, families
from brodmann.report.page import Link, Picture, Table
from brodmann.report.prose import Prose
from brodmann.statistics.inventory import AVERAGE, Inventory, Matrix
from brodmann.statistics.printed import Printed
from brodmann.store.tables import read_matrix, read_table
from brodmann.tasks.catalogue import task_title


@dataclass(frozen=True)
class Sources:
    """What the report is read from."""

    study: Study
    inventory: Inventory
    results: Path
    planned: frozenset[str]  # figures of this study; others in the folder are of an earlier one
    say: Prose
    titles: Mapping[str, str] = field(default_factory=dict)  # of tasks, as their files say

    def figures(
        self, section: str, model: str = "", component: str = "", **told: object
    ) -> list[Picture]:
        """The figures of a section that the study has, of one model and kind of unit if they are of these;
        none that would be empty.

        ``told`` fills the places that captions leave.
        """
        scene = Scene(self.study, self.inventory, model, component)
        found = []
        for figure in (figure for family in families() for figure in family.figures):
            name = figure.stem(scene)
            if section in figure.captions and name in self.planned and figure.when(scene):
                caption = figure.captions[section].format(scene=scene, **told)
                path = self.results / "figures" / f"{name}.svg"
                found.append(Picture(path, figure.title.format(model=model), caption))
        return [picture for picture in found if picture.drawn]

    @property
    def shown(self) -> str:
        """The model whose figures stand in the story: the average, or the only one there is."""
        own = [name for name in self.study.models if name not in self.study.controls]
        if len(own) > 1 and self.inventory.average_overlaps:
            return AVERAGE
        return next(iter(own or self.study.models))

    def called(self, name: str) -> str:
        """A model's name, controls marked."""
        return called(name, self.study.controls)

    def task(self, task: str) -> str:
        """What a task is called."""
        return self.titles.get(task) or task_title(task)

    def link(self, file: str, text: str = "") -> Link:
        """To a file of the results."""
        return Link(text or file, file)

    @property
    def pairwise(self) -> bool:
        """Whether models are compared on the tasks of the two, not of all."""
        return self.study.statistics.consistency == PAIRWISE

    def drops(self, name: str, component: str) -> pd.DataFrame:
        """A model's (or the average's) accuracy lost: rows the silenced circuit, columns the task."""
        sel, kind = self.study.ablated_selections[0], self.study.ablation.kinds[0]
        return self._read(Matrix(name, component, sel, kind))

    def overlaps(self, name: str, component: str) -> pd.DataFrame:
        """What circuits of a model (or the average) share, at the size that is shown."""
        return self._read(Matrix(name, component, self.study.selection.main_name))

    def overlaps_of_silenced(self, name: str, component: str) -> pd.DataFrame | None:
        """The same at the size that is silenced; none of results that were taken over without them."""
        one = Matrix(name, component, self.study.ablated_selections[0])
        return self._read(one) if one in self.inventory.all_overlaps else None

    def _read(self, one: Matrix) -> pd.DataFrame:
        return read_matrix(self.results / Path(one.path()).relative_to("results"))

    def lesions(self, name: str, component: str) -> dict[str, pd.DataFrame]:
        """Of a model that was run: task -> the table of all lesions that it was tested under."""
        sel, kind = self.study.ablated_selections[0], self.study.ablation.kinds[0]
        folder = self.results / name / "ablation" / component / sel / kind
        found = {task: folder / f"{task}.csv" for task in self.study.tasks.selected}
        return {task: read_table(path, LESIONS) for task, path in found.items() if path.is_file()}


def printed_tables(
    printed: Sequence[Printed], what: str, component: str, source: str
) -> list[Table]:
    """The printed tables of overlap or of ablation, for one kind of unit, without columns of dashes alone.
    ``source``: their long table."""
    found = []
    for one in printed:
        if what in one.caption and component in one.caption:
            known = [n for n in range(len(one.heads)) if any(row[n] != "–" for row in one.rows)]
            heads, rows = (
                [[row[n] for n in known] for row in part] for part in ([one.heads], one.rows)
            )
            source_file = f"statistics/{source}.csv"
            found.append(Table(f"{one.caption}. {one.note}", heads[0], rows, source=source_file))
    return found
