"""Jobs of the circuits: passes over a model, and what is made of what they leave; as they run."""

import math

from brodmann.circuits.costs import (
    ABLATION,
    ATTRIBUTION,
    BASELINE,
    BLOCK,
    FAITHFULNESS,
    circuits_of_task,
    lesions_of_levels,
    lesions_of_target,
)
from brodmann.config.study import Study
from brodmann.runner.stage import Stage


def _tasks(study: Study) -> int:
    return len(study.tasks.selected)


def _blocks(study: Study) -> int:
    """Of all targets' lesions, the intact model among those of each size."""
    lesions = lesions_of_target(study) + len(study.ablated_selections)
    each = (
        len(study.attribution.components) * len(study.ablation.kinds) * math.ceil(lesions / BLOCK)
    )
    return _tasks(study) * (each + sum(math.ceil(n / BLOCK) for n in lesions_of_levels(study)))


def _measured(study: Study, model: str) -> bool:
    return model in study.measured_models


def _kept_blocks(study: Study) -> int:
    """Of all circuits that everything else is silenced of."""
    kinds = len(study.attribution.components) * len(study.faithfulness.kinds)
    each = math.ceil(circuits_of_task(study) / BLOCK)
    components = len(study.attribution.components) if study.faithfulness.rivals.rounds else 0
    return max(1, len(study.faithfulness.tasks) * (kinds * each + components))


def _tested(study: Study, model: str) -> bool:
    return model in study.faithfulness_models


def _matched(study: Study) -> bool:
    """How active units are must be known before controls can be matched in it."""
    return study.ablation.activation_matched_trials > 0


STAGES = (
    Stage("baseline_pass", "baseline:run_pass", ("baseline",), BASELINE, pieces=_tasks),
    Stage("baseline", "baseline:write_baseline", ("baseline", "inclusion")),
    Stage(
        "attribution_pass",
        "attribution:run_pass",
        ("baseline", "attribution", "agreement"),
        ATTRIBUTION,
        after="baseline_pass",
        pieces=_tasks,
    ),
    Stage("attribution", "attribution:write_attribution", ("attribution",)),
    Stage("circuit_masks", "attribution:write_masks"),
    Stage("agreement", "agreement:write_agreement", ("agreement",)),
    Stage("trials", "trials:write_trials", ("agreement",)),
    Stage("overlap", "overlap:write_overlaps"),
    Stage("stability", "stability:write_stability"),
    Stage(
        "ablation_pass",
        "ablation:run_pass",
        ("ablation", "promoted", "unit_pages"),
        ABLATION,
        _measured,
        after="attribution_pass",
        pieces=_blocks,
        prepares=_matched,
    ),
    Stage("ablation", "ablation:write_tables", ("ablation",)),
    Stage("granularity", "granularity:write_granularity"),
    Stage("units", "units:write_units"),
    Stage("ablation_matrices", "ablation:write_matrices"),
    Stage("forecast", "forecast:write_forecasts"),
    Stage(
        "faithfulness_pass",
        "faithfulness:run_pass",
        ("faithfulness", "rivals"),
        FAITHFULNESS,
        _tested,
        after="attribution_pass",
        pieces=_kept_blocks,
    ),
    Stage("faithfulness", "faithfulness:write_tables", ("faithfulness",)),
    Stage("rivals", "rivals:write_rivals", ("faithfulness", "rivals")),
)
