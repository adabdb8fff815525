"""A study as typed values: what the validated config says, in the words of the domain."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from brodmann.config.localizer import LesionSettings, LocalizerSettings
from brodmann.config.network_use import NetworkUse
from brodmann.config.networks import Dataset, NetworkSettings
from brodmann.tasks.catalogue import DEFAULT_LEVEL

# The tasks that models are compared on: those of all models, or those of the two.
COMMON, PAIRWISE = "common", "pairwise"
# Replicates of attributions (halves, bootstraps) keep this much of the units, or what the largest mask needs.
KEPT_PERCENT = 5.0


@dataclass(frozen=True)
class Prompting:
    """How a model is addressed. Changes numbers: part of every store key."""

    format: str  # auto | chat | completion: which wording
    chat_template: str  # auto | none: how chat wording is wrapped
    system: str | None  # text of the system turn; None = no system turn
    bos: str  # none | model: what raw text starts with


@dataclass(frozen=True)
class Inclusion:
    """Which items and tasks count. Applied after the model has run: changing it costs no model work."""

    min_both_correct: float
    min_items: int
    filter: str  # both_correct | aligned
    control: bool  # control models keep tasks without contrast


@dataclass(frozen=True)
class ModelEntry:
    """One entry of ``models:``. ``location`` is the part of the source behind its kind, resolved."""

    name: str
    source: str
    kind: str  # wheel | hf | path | gguf | results
    location: str
    revision: str | None
    dtype: str
    untrained: bool
    seed: int
    control: bool
    trust_remote_code: bool
    allow_pickle: bool
    units: dict[str, str]
    prompting: Prompting
    inclusion: Inclusion
    device_map: str | dict[str, str] | None
    attn_implementation: str | None
    max_memory: dict[str, str] = field(default_factory=dict)
    gpus: int = 1
    ablation: bool = True
    networks: bool = True
    # Results-only models: file and column of their accuracies.
    accuracies: tuple[str, str] | None = None

    @property
    def results_only(self) -> bool:
        """Whether there are results of this model, but no weights: nothing of it is run."""
        return self.kind == "results"

    def weights_settings(self) -> dict[str, Any]:
        """What decides which weights are meant; ``source`` as written, so that it travels."""
        return {
            "source": self.source,
            "revision": self.revision,
            "untrained": self.untrained,
            "seed": self.seed if self.untrained else None,
            "allow_pickle": self.allow_pickle,
        }

    def loading_settings(self) -> dict[str, Any]:
        """What else decides the numbers that the loaded model computes."""
        return {
            "dtype": self.dtype,
            "units": self.units,
            "trust_remote_code": self.trust_remote_code,
        }

    def prompting_settings(self) -> dict[str, Any]:
        """What decides the texts that the model is shown."""
        return asdict(self.prompting)

    def inclusion_settings(self) -> dict[str, Any]:
        """What decides which items and tasks count."""
        return asdict(self.inclusion)


@dataclass(frozen=True)
class TaskSettings:
    """``tasks:``, with ``selected`` the tasks that the globs name, in order."""

    selected: tuple[str, ...]
    published: str | None
    items: int | None
    seed: int
    rename: bool
    split: bool  # circuits on one half of the items, effects on the other
    # Task -> difficulty, for the tasks whose file is not taken as it stands.
    difficulty: dict[str, str] = field(default_factory=dict)

    def level(self, task: str) -> str:
        """The difficulty of one task."""
        return self.difficulty.get(task, DEFAULT_LEVEL)

    def item_seed(self, second: bool = False) -> int:
        """The seed of the items; the second list, for reliability, has the next one."""
        return self.seed + int(second)

    def expansion_settings(self, task: str, second: bool = False) -> dict[str, Any]:
        """What decides a task's items, beside the definition itself."""
        return {
            "published": self.published is not None,
            "items": self.items,
            "seed": self.item_seed(second),
            "rename": self.rename,
            "difficulty": self.level(task),
        }


@dataclass(frozen=True)
class AttributionSettings:
    """``attribution:``. ``agreement_tasks`` are the tasks that its globs name."""

    components: tuple[str, ...]
    estimator: str  # patching | ig | exact
    gradient: str  # both_answers | correct_answer
    ig_steps: int
    exact_units: int
    splits: int
    bootstraps: int
    second_seed: bool
    seed: int
    agreement_tasks: tuple[str, ...]
    agreement_units: int
    agreement_items: int

    def estimation(self) -> dict[str, Any]:
        """What decides the attributions themselves."""
        chosen = {"estimator": self.estimator, "gradient": self.gradient}
        if self.estimator == "ig":
            chosen["steps"] = self.ig_steps
        if self.estimator == "exact":
            chosen["units"] = self.exact_units
        return chosen

    def comparison(self) -> dict[str, Any]:
        """What decides the comparison of estimators with true patching."""
        return {
            "tasks": list(self.agreement_tasks),
            "units": self.agreement_units,
            "items": self.agreement_items,
            "steps": self.ig_steps,
        }

    def replication(self) -> dict[str, Any]:
        """What decides the replicates that go with them."""
        return {"splits": self.splits, "bootstraps": self.bootstraps, "seed": self.seed}


@dataclass(frozen=True)
class SelectionSettings:
    """``selection:``: the cross product of signs and percents."""

    signs: tuple[str, ...]
    percents: tuple[float, ...]
    main: float

    @property
    def names(self) -> tuple[str, ...]:
        """The {sel} of paths, in the order of ``masks.selections``."""
        return tuple(
            selection_name(sign, percent) for sign in self.signs for percent in self.percents
        )

    @property
    def kept(self) -> float:
        """Per cent of the units that replicates must keep for masks of every size."""
        return max(KEPT_PERCENT, *self.percents)

    @property
    def main_name(self) -> str:
        """The selection that figures show: the main size of the first sign."""
        return selection_name(self.signs[0], self.main)


@dataclass(frozen=True)
class AblationSettings:
    """``ablation:``, its percents resolved."""

    kinds: tuple[str, ...]
    percents: tuple[float, ...]
    max_items: int | None
    layer_matched_trials: int
    random_trials: int
    seed: int
    forecast_only: bool

    def measurement(self) -> dict[str, Any]:
        """What decides the measured numbers, beside the circuits."""
        return {
            "kinds": list(self.kinds),
            "percents": list(self.percents),
            "max_items": self.max_items,
            "layer_matched_trials": self.layer_matched_trials,
            "random_trials": self.random_trials,
            "seed": self.seed,
        }


def selection_name(sign: str, percent: float) -> str:
    """``positive-0.1pct``."""
    return f"{sign}-{float(percent)!r}pct"


@dataclass(frozen=True)
class StatisticsSettings:
    """``statistics:``, and the globs of ``average.exclude``."""

    permutations: int
    seed: int
    exclude: tuple[str, ...]
    consistency: str = COMMON  # common | pairwise: tasks that models are compared on


@dataclass(frozen=True)
class FigureSettings:
    """``figures:``."""

    chord_minimum: float


@dataclass(frozen=True)
class Execution:
    """How it runs; in no params and no store key."""

    device: str
    batch_tokens: int | None  # None = auto
    cache: str | None


@dataclass(frozen=True)
class Study:
    """Everything the config says."""

    models: dict[str, ModelEntry]
    tasks: TaskSettings
    attribution: AttributionSettings
    selection: SelectionSettings
    ablation: AblationSettings
    localizer: LocalizerSettings
    networks: NetworkSettings
    statistics: StatisticsSettings
    figures: FigureSettings
    execution: Execution

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
        if self.ablation.forecast_only:
            return ()
        return tuple(name for name in self.run_models if self.models[name].ablation)

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
            for percent in self.ablation.percents
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

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Study:
        """The inverse of ``dataclasses.asdict``: how a study reaches a job's script."""
        models = {}
        for name, value in values["models"].items():
            nested = {
                "prompting": Prompting(**value["prompting"]),
                "inclusion": Inclusion(**value["inclusion"]),
                "accuracies": value["accuracies"] and tuple(value["accuracies"]),
            }
            models[name] = ModelEntry(**{**value, **nested})
        return cls(
            models,
            TaskSettings(**_with_tuples(values["tasks"])),
            AttributionSettings(**_with_tuples(values["attribution"])),
            SelectionSettings(**_with_tuples(values["selection"])),
            AblationSettings(**_with_tuples(values["ablation"])),
            _localizer(values["localizer"]),
            _networks(values["networks"]),
            StatisticsSettings(**_with_tuples(values["statistics"])),
            FigureSettings(**values["figures"]),
            Execution(**values["execution"]),
        )


def _localizer(values: dict[str, Any]) -> LocalizerSettings:
    lesion = LesionSettings(**_with_tuples(values["lesion"]))
    return LocalizerSettings(**{**_with_tuples(values), "lesion": lesion})


def _networks(values: dict[str, Any]) -> NetworkSettings:
    datasets = {name: Dataset(**value) for name, value in values["datasets"].items()}
    use = NetworkUse.from_dict(values["use"])
    return NetworkSettings(**{**_with_tuples(values), "datasets": datasets, "use": use})


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples again: a job's values have been through JSON or a pickle."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
