"""What figures there are: of what, from which files, drawn by which function, and where in the report.

Light, for the Snakefile reads it: the functions that draw stand as text, ``module:function`` below
``brodmann.figures``, and take ``(files, asked)``: the files by name, and the settings of the family with the
options of the figure. They return the picture and the table of what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from brodmann.config.selection import selection_words
from brodmann.config.statistics import PAIRWISE, PUBLISHED
from brodmann.config.study import Study
from brodmann.statistics.inventory import AVERAGE, Inventory

# Of every figure: for slides, for print, for pages, and its data.
ENDINGS = (".png", ".pdf", ".svg", ".csv")
FOLDER = "results/figures"
# Id of a figure that shows nothing, in its SVG.
NOTHING = "nothing"

WORDS = {"heads": "attention heads", "router": "router logits"}
# Kind of an ablation -> what silenced units are.
SILENCED = {
    "corrupted": "set to their values on the corrupted prompt",
    "zero": "set to zero",
    "mean": "set to their mean",
}

Files = Mapping[str, Any]  # name -> path or paths
Asked = Mapping[str, Any]  # settings of the family with the options of the figure


@dataclass(frozen=True)
class Scene:
    """What is drawn of: a study, and in it one model (or ``average``) and one kind of unit, if one."""

    study: Study
    inventory: Inventory
    model: str = ""
    component: str = ""

    def at(self, model: str = "", component: str = "") -> Scene:
        """The same study, there."""
        return replace(self, model=model, component=component)

    @property
    def folder(self) -> str:
        """The model's results."""
        return f"results/{self.model}"

    @property
    def selection(self) -> str:
        """{sel} of the circuits that are shown."""
        return self.study.selection.main_name

    @property
    def ablated(self) -> str:
        """{sel} of the circuits whose lesions are shown."""
        return self.study.ablated_selections[0]

    @property
    def kind(self) -> str:
        """Kind of the ablation that is shown."""
        return self.study.ablation.kinds[0]

    @property
    def lesions(self) -> str:
        """Where the tables of that ablation begin."""
        return f"{self.folder}/ablation/{self.component}/{self.ablated}.{self.kind}"

    @property
    def tasks(self) -> list[str]:
        """The tasks that models are run on."""
        return list(self.study.tasks.selected) if self.study.run_models else []

    @property
    def models(self) -> list[str]:
        """The models that are run."""
        return list(self.study.run_models)

    @property
    def controls(self) -> list[str]:
        """The models that are shown, but in no average."""
        return list(self.study.controls)

    @property
    def compared(self) -> list[str]:
        """The models that averages and comparisons between models are made of."""
        return [name for name in self.study.models if name not in self.controls]

    @property
    def label(self) -> str:
        """The model's name, controls marked."""
        return called(self.model, self.controls)

    def attributions(self, *models: str) -> Files:
        """The attributions of these models' units, task by task."""
        folder = f"attribution/{self.component}"
        pairs = product(models, self.tasks)
        return {"attributions": [f"results/{m}/{folder}/{t}.safetensors" for m, t in pairs]}

    # Parts of titles and captions.

    @property
    def whose(self) -> str:
        """The model's name, or of how many models the average is."""
        return f"average of {len(self.compared)} models" if self.model == AVERAGE else self.label

    @property
    def main(self) -> str:
        """The circuits that are shown, in words."""
        return selection_words(self.selection, self.units)

    @property
    def localized(self) -> str:
        """The localized units that are shown, in words."""
        return selection_words(self.study.localizer.selections[0], "units")

    @property
    def units(self) -> str:
        """The kind of unit, in words; of any kind where there is none."""
        return WORDS.get(self.component, self.component or "units")

    @property
    def ablation(self) -> str:
        """The ablation that is shown, in words."""
        return f"{selection_words(self.ablated, self.units)}, {SILENCED[self.kind]}"

    @property
    def ablated_items(self) -> str:
        """The items that circuits are silenced on, in words."""
        asked = self.study.ablation
        if asked.max_items is None:
            return "all used items"
        return f"{asked.max_items} used items drawn at random (seed {asked.seed})"

    @property
    def one_item(self) -> str:
        """What one item is in per cent, where their number is set."""
        most = self.study.ablation.max_items
        return "" if most is None else f"; of {most} items, one is {100 / most:.3g} %"

    @property
    def layer_matched(self) -> str:
        """How many layer-matched lesions there are, in words."""
        return _draws(self.study.ablation.layer_matched_trials)

    @property
    def random(self) -> str:
        """How many lesions of random units of any layer there are, in words."""
        return _draws(self.study.ablation.random_trials)

    @property
    def common_tasks(self) -> str:
        """The tasks that models are compared on, in words."""
        pairwise = self.study.statistics.consistency == PAIRWISE
        return "the two models have" if pairwise else "every model has"

    @property
    def stacked(self) -> str:
        """What bars of the layer composition stack, in words."""
        if self.study.figures.composition == PUBLISHED:
            return "the published form, log10(units + 1) of each domain, whose sum is no number of units"
        return "units per layer"

    @property
    def chord_minimum(self) -> float:
        """The least overlap that a chord shows, in per cent."""
        return 100 * self.study.figures.chord_minimum


def _draws(number: int) -> str:
    return "1 draw" if number == 1 else f"{number} draws"


def called(model: str, controls: Iterable[str]) -> str:
    """A model's name, controls marked."""
    return f"{model} (control)" if model in controls else model


@dataclass(frozen=True)
class Figure:
    """One figure; its ``name`` may hold {model} (or {shown}: a model or the average) and {component}.

    ``captions``: section of the report -> caption there, with places in braces for the ``scene`` and for what
    only the report knows (``Sources.figures``). The report shows it ``when`` that is true of the scene.
    """

    name: str
    draw: str
    title: str  # in the report; may name the {model}
    captions: Mapping[str, str]
    when: Callable[[Scene], bool]
    options: Mapping[str, Any]

    def stem(self, scene: Scene) -> str:
        """Its files in ``results/figures``, less their endings."""
        return self.name.format(model=scene.model, shown=scene.model, component=scene.component)


@dataclass(frozen=True)
class Family:
    """Figures that one rule draws together: they read the same files and are of the same models."""

    rule: str
    message: str
    scenes: Callable[[Scene], Iterable[Scene]]  # all that the study has
    reads: Callable[[Scene], Files]
    settings: Callable[[Scene], Mapping[str, Any]]
    figures: tuple[Figure, ...]
    method: str  # whose version says that it is to be drawn anew

    @property
    def outputs(self) -> list[str]:
        """Every file, with wildcards."""
        return files_of(one.name for one in self.figures)

    @property
    def log(self) -> str:
        """The rule's log, with the wildcards of its figures."""
        places = self.figures[0].name.partition(".{")
        return f"logs/figures/{self.rule}{places[1]}{places[2]}.log"

    def stems(self, scene: Scene) -> list[str]:
        """Names of all its figures in the study."""
        return [one.stem(there) for there in self.scenes(scene) for one in self.figures]


def figure(
    name: str,
    draw: str,
    title: str = "",
    *,
    when: Callable[[Scene], bool] = lambda _: True,
    options: Mapping[str, Any] | None = None,
    **captions: str,
) -> Figure:
    """Declares a figure; a keyword per section of the report that shows it, with its caption there."""
    return Figure(name, draw, title, captions, when, options or {})


def family(
    rule: str,
    message: str,
    scenes: Callable[[Scene], Iterable[Scene]],
    reads: Callable[[Scene], Files],
    settings: Callable[[Scene], Mapping[str, Any]],
    *figures: Figure,
    method: str = "figures",
) -> Family:
    """Declares figures that one rule draws."""
    return Family(rule, message, scenes, reads, settings, figures, method)


def files_of(stems: Iterable[str]) -> list[str]:
    """Every file of these figures."""
    return [f"{FOLDER}/{stem}{ending}" for stem in stems for ending in ENDINGS]


# Of what figures are, for the ``scenes`` of families.


def once(scene: Scene) -> list[Scene]:
    """The study."""
    return [scene]


def every_component(scene: Scene) -> list[Scene]:
    """Each kind of unit, over all models."""
    return [scene.at(component=component) for component in scene.study.attribution.components]


def units_of(models: Callable[[Study], Iterable[str]]) -> Callable[[Scene], list[Scene]]:
    """Each kind of unit of each of these models."""
    return lambda scene: [
        scene.at(model, component)
        for component in scene.study.attribution.components
        for model in models(scene.study)
    ]


def pooled(scene: Scene) -> list[str]:
    """All models, and the average of several: an average of one model is that model."""
    return [*scene.study.models, *([AVERAGE] if len(scene.compared) > 1 else [])]


@cache
def families() -> tuple[Family, ...]:
    """All that ``declared`` has, in the order in which the report shows figures of one section."""
    names = sorted(one.name for one in iter_modules([str(Path(__file__).with_name("declared"))]))
    modules = (import_module(f"{__package__}.declared.{name}") for name in names)
    return tuple(family for module in modules for family in module.FAMILIES)


def family_of(rule: str) -> Family:
    """The family that ``rule`` draws."""
    return next(one for one in families() if one.rule == rule)
