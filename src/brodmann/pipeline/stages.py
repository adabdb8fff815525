"""The stages of every map in one table: plans, requests to clusters, profiles, settings, drills read it.

Light: the Snakefile reads it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from brodmann.circuits.costs import ABLATION, ATTRIBUTION, BASELINE
from brodmann.config.study import Study
from brodmann.localizers.costs import LESION, LOCALIZER
from brodmann.networks.costs import NETWORK_USE, NETWORKS
from brodmann.runner.costs import PROMPT, Batch, Cost, Job
from brodmann.runner.footprint import Widths

# Rows and tokens of the self-check: every site in three layers, and the intact row.
_CHECKED = 16 * 8


def _check_tokens(job: Job) -> float:
    return 200 * PROMPT


def _check(study: Study, widths: Widths, batch: Batch) -> int:
    return widths.block(_CHECKED) + 3 * widths.logits(_CHECKED)


def _any_model(study: Study, model: str) -> bool:
    return True


def _measured(study: Study, model: str) -> bool:
    return model in study.measured_models


def _localized(study: Study, model: str) -> bool:
    return bool(study.localizer.networks)


def _decomposed(study: Study, model: str) -> bool:
    return model in study.network_models


@dataclass(frozen=True)
class Stage:
    """One stage of a map.

    ``methods``: whose versions its settings file (rules/settings.smk) carries; without any it has none.
    ``cost``: of a pass, a rule of the stage's name that loads a model; other stages load none.
    ``applies``: whether it is run for a model of the study.
    """

    name: str
    map: str
    methods: tuple[str, ...] = ()
    cost: Cost | None = None
    applies: Callable[[Study, str], bool] = _any_model

    @property
    def store(self) -> str:
        """The folder of a pass's records in the model's store; what it is called in plans."""
        return self.name.removesuffix("_pass").removesuffix("_model")


# In the order in which they run.
STAGES = {
    stage.name: stage
    for stage in (
        Stage("check_model", "models", cost=Cost(_check_tokens, _check)),
        Stage("baseline_pass", "circuits", ("baseline",), BASELINE),
        Stage("baseline", "circuits", ("baseline", "inclusion")),
        Stage(
            "attribution_pass", "circuits", ("baseline", "attribution", "agreement"), ATTRIBUTION
        ),
        Stage("attribution", "circuits", ("attribution",)),
        Stage("agreement", "circuits", ("agreement",)),
        Stage("ablation_pass", "circuits", ("ablation",), ABLATION, _measured),
        Stage("ablation", "circuits", ("ablation",)),
        Stage("localizer_pass", "localizers", ("localizer",), LOCALIZER, _localized),
        Stage("localizer", "localizers", ("localizer", "localizer_selection")),
        Stage(
            "lesion_pass",
            "localizers",
            ("localizer_selection", "lesion", "written"),
            LESION,
            _localized,
        ),
        Stage("lesion", "localizers", ("lesion", "lesion_effects")),
        Stage("networks_pass", "networks", ("networks",), NETWORKS, _decomposed),
        Stage("networks", "networks", ("networks", "network_tables")),
        Stage(
            "network_use_pass",
            "comparison",
            ("editing", "probing", "following", "localizer", "written"),
            NETWORK_USE,
            _decomposed,
        ),
        Stage(
            "network_use",
            "comparison",
            ("editing", "editing_effects", "probing", "following", "localizer"),
        ),
        Stage(
            "network_agreement",
            "comparison",
            ("written", "network_agreement", "localizer_selection"),
        ),
        Stage("surface", "statistics", ("surface",)),
    )
}
# The rules that load a model, and what each costs.
PASSES = {name: stage.cost for name, stage in STAGES.items() if stage.cost is not None}


def passes_of(study: Study, model: str) -> Iterator[Stage]:
    """The passes that are run for a model, in their order."""
    return (s for s in STAGES.values() if s.cost is not None and s.applies(study, model))
