"""Jobs of the localizers, in the order in which they run."""

from brodmann.config.study import Study
from brodmann.localizers.costs import LESION, LOCALIZER, lesions_of_network
from brodmann.runner.stage import Stage


def _networks(study: Study) -> int:
    return len(study.localizer.networks)


def _lesions(study: Study) -> int:
    return _networks(study) * (1 + lesions_of_network(study))


def _localized(study: Study, model: str) -> bool:
    return bool(study.localizer.networks)


STAGES = (
    Stage(
        "localizer_pass",
        "localizer:run_pass",
        ("localizer",),
        LOCALIZER,
        _localized,
        pieces=_networks,
    ),
    Stage("localizer", "localizer:write_localizer", ("localizer", "localizer_selection")),
    Stage(
        "lesion_pass",
        "lesion:run_pass",
        ("localizer_selection", "lesion", "written", "massive"),
        LESION,
        _localized,
        after="localizer_pass",
        pieces=_lesions,
    ),
    Stage("lesion", "lesion:write_table_of", ("lesion", "lesion_effects")),
    Stage("massive", "massive:write_massive"),
)
