"""A study: all sections of the config, as they are written and as they are resolved."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field, create_model

from brodmann.config.ablation import AblationSettings
from brodmann.config.atlas import AtlasSettings
from brodmann.config.attribution import AttributionSettings
from brodmann.config.compare import CompareSettings
from brodmann.config.execution import Execution, ExecutionKeys
from brodmann.config.faithfulness import FaithfulnessSettings
from brodmann.config.granularity import GranularitySettings
from brodmann.config.localizer import LocalizerKeys, LocalizerSettings
from brodmann.config.models import ModelEntry, ModelKeys, resolved_models
from brodmann.config.networks import NetworkKeys, NetworkSettings
from brodmann.config.resolve import Resolver
from brodmann.config.section import MapSection, Section, SomeText
from brodmann.config.selection import SelectionSettings, selection_name
from brodmann.config.statistics import (
    AverageKeys,
    FigureSettings,
    StatisticsKeys,
    StatisticsSettings,
)
from brodmann.config.tasks import TaskKeys, TaskSettings
from brodmann.maps import what_maps_say

# Map -> class of the section that it brings.
_OF_MAPS: dict[str, type[MapSection]] = what_maps_say("Settings")
_S = TypeVar("_S", bound=Section)


def _with_sections_of_maps(sections: type[_S]) -> type[_S]:
    """The same class with a field for each map that brings a section."""
    fields: dict[str, Any] = {name: (own, own()) for name, own in _OF_MAPS.items()}
    if not fields:
        return sections
    name, doc, module = sections.__name__, sections.__doc__, sections.__module__
    return create_model(name, __base__=sections, __doc__=doc, __module__=module, **fields)


@_with_sections_of_maps
class Config(Section):
    """What a study computes. Every key that changes a number is here; how it runs (device, batches, cache)
    is under `execution`, cores and clusters are in profiles/. Unknown keys are errors. A key that is left
    out takes the default given here."""

    models: Annotated[dict[str, ModelKeys], Field(min_length=1)]
    """The models of the study; the name is the {model} of every path under results/."""
    results_from: SomeText | None = None
    """Folder that results sources and their tables are relative to; null is the config file's own. Given with
    --config, it is relative to the working directory."""
    tasks: TaskKeys = TaskKeys()
    attribution: AttributionSettings = AttributionSettings()
    selection: SelectionSettings = SelectionSettings()
    ablation: AblationSettings = AblationSettings()
    granularity: GranularitySettings = GranularitySettings()
    faithfulness: FaithfulnessSettings = FaithfulnessSettings()
    average: AverageKeys = AverageKeys()
    compare: CompareSettings = CompareSettings()
    statistics: StatisticsKeys = StatisticsKeys()
    figures: FigureSettings = FigureSettings()
    localizer: LocalizerKeys = LocalizerKeys()
    networks: NetworkKeys = NetworkKeys()
    atlas: AtlasSettings = AtlasSettings()
    execution: ExecutionKeys = ExecutionKeys()

    def resolved(self, here: Resolver) -> Study:
        """The study that this config asks for; what is wrong with it, ``here`` knows."""
        models = resolved_models(self.models, self.tasks, here)
        tasks = self.tasks.resolved([model.filter for model in self.models.values()], here)
        selection = self.selection.resolved(here)
        return Study(
            models=models,
            tasks=tasks,
            attribution=self.attribution.resolved(tasks.selected, here),
            selection=selection,
            ablation=self.ablation.resolved(selection, here),
            granularity=self.granularity.resolved(self.attribution, selection, here),
            faithfulness=self.faithfulness.resolved(tasks.selected, selection, here),
            localizer=self.localizer.resolved(tasks.selected, here),
            networks=self.networks.resolved(tasks.selected, here),
            atlas=self.atlas,
            statistics=self.statistics.resolved(self.average, self.attribution, here),
            figures=self.figures,
            compare=self.compare.resolved(models, here),
            execution=self.execution.resolved(here),
            **{name: getattr(self, name).resolved(tasks.selected, here) for name in _OF_MAPS},
        )


@_with_sections_of_maps
class Study(Section):
    """Everything the config says."""

    models: dict[str, ModelEntry]
    tasks: TaskSettings
    attribution: AttributionSettings
    selection: SelectionSettings
    ablation: AblationSettings
    granularity: GranularitySettings
    faithfulness: FaithfulnessSettings
    localizer: LocalizerSettings
    networks: NetworkSettings
    atlas: AtlasSettings
    statistics: StatisticsSettings
    compare: CompareSettings
    figures: FigureSettings
    execution: Execution

    @property
    def series(self) -> dict[str, dict[str, float]]:
        """Name of a series -> its models, each with its place on the axis."""
        found: dict[str, dict[str, float]] = {}
        for name, entry in self.models.items():
            if entry.step is not None:
                found.setdefault(entry.member_of, {})[name] = entry.step
        return found

    def series_axis(self, name: str) -> str:
        """What the axis of a series is called."""
        member = next(iter(self.series[name]))
        own = self.models[member].series
        assert own is not None  # it is a member of one
        return own.axis

    @property
    def run_models(self) -> tuple[str, ...]:
        """Models that are run, in the order of the config."""
        return tuple(name for name, entry in self.models.items() if not entry.results_only)

    @property
    def imported_models(self) -> tuple[str, ...]:
        """Models of which only results are at hand."""
        return tuple(name for name, entry in self.models.items() if entry.results_only)

    @property
    def controls(self) -> tuple[str, ...]:
        """Models that are shown but never averaged in."""
        return tuple(name for name, entry in self.models.items() if entry.control)

    @property
    def trained_twins(self) -> dict[str, str]:
        """Untrained models that are run, each with the first trained model of the same source.

        One that is prompted alike goes before others: under another format items are not the same.
        """
        found: dict[str, str] = {}
        for name, entry in self.models.items():
            same = [
                other
                for other, trained in self.models.items()
                if (entry.source, entry.revision) == (trained.source, trained.revision)
                and not trained.untrained
            ]
            if entry.untrained and same:
                found[name] = min(same, key=lambda n: self.models[n].prompting != entry.prompting)
        return found

    def lender(self, name: str) -> str | None:
        """The trained model on whose items an untrained one is run, so that both are seen on the same.

        An untrained model under ``filter: both_correct`` has few items, and those by chance: it keeps them.
        """
        aligned = self.models[name].inclusion.filter == "aligned"
        return self.trained_twins.get(name) if aligned else None

    @property
    def measured_models(self) -> tuple[str, ...]:
        """Models whose circuits are ablated."""
        if self.ablation.forecast_only or not self.attribution.components:
            return ()
        return tuple(name for name in self.run_models if self.models[name].ablation)

    @property
    def granular_models(self) -> tuple[str, ...]:
        """Models whose circuits of larger units are ablated, too."""
        return self.measured_models if self.granularity.levels else ()

    @property
    def profiled_models(self) -> tuple[str, ...]:
        """Models whose circuits are looked at among experts, if they have any."""
        return self.run_models if self.statistics.experts else ()

    @property
    def faithfulness_models(self) -> tuple[str, ...]:
        """Models whose circuits are tested for being enough."""
        if not self.faithfulness.tasks or not self.attribution.components:
            return ()
        return tuple(name for name in self.run_models if self.models[name].ablation)

    @property
    def tried_orders(self) -> tuple[str, ...]:
        """Tasks on which circuits by the estimators that are tried are tested for being enough."""
        tested = self.faithfulness.tasks
        return tuple(task for task in self.attribution.agreement.tried_tasks if task in tested)

    @property
    def network_models(self) -> tuple[str, ...]:
        """Models whose functional networks are sought."""
        if not self.networks.datasets:
            return ()
        return tuple(name for name in self.run_models if self.models[name].networks)

    @property
    def ablated_selections(self) -> tuple[str, ...]:
        """The {sel} of the circuits that are ablated."""
        return tuple(
            selection_name(sign, percent)
            for sign in self.selection.signs
            for percent in self.ablation.percents or ()
        )

    @property
    def second_tasks(self) -> tuple[str, ...]:
        """Tasks of which a second list of items is drawn; published files have but one."""
        drawn = self.attribution.second_seed and self.tasks.published is None
        return self.tasks.selected if drawn else ()

    def gpus_of(self, model: str) -> int:
        """GPUs of a job on one model: none on the CPU, else what the model's entry says."""
        return 0 if self.execution.device == "cpu" else self.model(model).gpus

    def model(self, name: str) -> ModelEntry:
        """The entry of one model."""
        return self.models[name]

    def stage_settings(self, model: str, stage: str) -> dict[str, Any]:
        """All config values that ``stage`` depends on, for one model: what each section says of itself."""
        found: dict[str, Any] = self.model(model).depends(stage, self)
        for name in type(self).model_fields:
            if name != "models":
                found |= getattr(self, name).depends(stage, self)
        return found

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: how a study reaches a job's script."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Study:
        """The inverse of ``to_dict``."""
        return cls.model_validate(values)
