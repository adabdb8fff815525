"""Jobs of the circuits: passes over a model, and what is made of what they leave; as they run."""

from brodmann.circuits.costs import ABLATION, ATTRIBUTION, BASELINE
from brodmann.config.study import Study
from brodmann.runner.stage import Stage


def _measured(study: Study, model: str) -> bool:
    return model in study.measured_models


STAGES = (
    Stage("baseline_pass", "baseline:run_pass", ("baseline",), BASELINE),
    Stage("baseline", "baseline:write_baseline", ("baseline", "inclusion")),
    Stage(
        "attribution_pass",
        "attribution:run_pass",
        ("baseline", "attribution", "agreement"),
        ATTRIBUTION,
    ),
    Stage("attribution", "attribution:write_attribution", ("attribution",)),
    Stage("circuit_masks", "attribution:write_masks"),
    Stage("agreement", "agreement:write_agreement", ("agreement",)),
    Stage("overlap", "overlap:write_overlaps"),
    Stage("ablation_pass", "ablation:run_pass", ("ablation", "promoted"), ABLATION, _measured),
    Stage("ablation", "ablation:write_tables", ("ablation",)),
    Stage("units", "units:write_units"),
    Stage("ablation_matrices", "ablation:write_matrices"),
    Stage("forecast", "forecast:write_forecasts"),
)
