"""The figures of a finished study, drawn again by the functions that drew them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brodmann.api.recorded import recorded_study
from brodmann.atlas.study import StudyFolder
from brodmann.config.study import Study
from brodmann.figures.registry import Family, Figure, Files, Scene, families
from brodmann.statistics.inventory import Inventory, Matrix

if TYPE_CHECKING:
    from brodmann.figures.draw import Drawn

_RESULTS = "results"


class Figures:
    """What can be drawn of the results that are there."""

    def __init__(self, folder: StudyFolder) -> None:
        self._folder = folder

    @cached_property
    def known(self) -> dict[str, tuple[Family, Figure, Scene]]:
        """Every figure by its name: the stem of its files."""
        study = recorded_study(self._folder)
        whole = Scene(study, self._inventory(study))
        return {
            figure.stem(scene): (family, figure, scene)
            for family in families()
            for scene in family.scenes(whole)
            if all(path.is_file() for path in _paths(self._read(family, scene)))
            for figure in family.figures
        }

    def drawn(self, name: str) -> Drawn:
        """The picture, and the table of what it shows."""
        family, figure, scene = self.known[name]
        settings = {**family.settings(scene), "names": self._folder.titles}
        with _own_look() as draw:
            picture, table = draw.drawn(figure, self._read(family, scene), settings)
            # Ticks that are made later would look as the user's own figures do.
            picture.draw_without_rendering()
            draw.forget(picture)
            # Names of tasks reach beyond the canvas: all that is drawn is saved, as in the workflow.
            whole = {"bbox_inches": "tight", "pad_inches": _margin()}
            picture.savefig = partial(picture.savefig, **whole)
        return picture, table

    def _read(self, family: Family, scene: Scene) -> Files:
        """Its files, in the folder of results that there is."""
        return {
            name: self._place(found) if isinstance(found, str) else list(map(self._place, found))
            for name, found in family.reads(scene).items()
        }

    def _place(self, path: str) -> str:
        """Where a file of the contract is."""
        return str(self._folder.results / Path(path).relative_to(_RESULTS))

    def _inventory(self, study: Study) -> Inventory:
        """The matrices that are there."""
        models, components = study.models, study.attribution.components
        sizes, silenced = study.selection.names, study.ablated_selections
        overlaps = [Matrix(*one) for one in product(models, components, sizes)]
        drops = [
            Matrix(*one) for one in product(models, components, silenced, study.ablation.kinds)
        ]
        kept = [
            tuple(one for one in found if Path(self._place(one.path())).is_file())
            for found in (overlaps, drops)
        ]
        return Inventory(kept[0], kept[1], study.controls, study.trained_twins)


def _paths(files: Mapping[str, Any]) -> Iterator[Path]:
    for found in files.values():
        yield from map(Path, [found] if isinstance(found, str) else found)


@contextmanager
def _own_look() -> Iterator[Any]:
    """Within it brodmann's figures look as in the workflow; then matplotlib is as the user had it."""
    import matplotlib

    # That which their first figure would choose, if they have chosen none: ours would stay.
    before = matplotlib.get_backend()
    try:
        with matplotlib.rc_context():
            from brodmann.figures import draw, style

            matplotlib.rcParams.update(style.LOOK)
            yield draw
    finally:
        from matplotlib import pyplot

        pyplot.switch_backend(before)


def _margin() -> float:
    from brodmann.figures.style import MARGIN

    return MARGIN
