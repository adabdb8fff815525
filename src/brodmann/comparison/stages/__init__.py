"""Jobs that compare maps, in the order in which they run."""

from brodmann.config.study import Study
from brodmann.networks.costs import NETWORK_USE
from brodmann.networks.stages import decomposed
from brodmann.runner.stage import Stage


def _edits(study: Study) -> int:
    """At least so many: every dataset's networks together and its best units, with random ones."""
    made = study.networks.use.editing
    return 2 * len(study.networks.names) * (1 + len(made.seeds)) * len(made.edits)


def _localizes(study: Study) -> bool:
    return study.networks.use.editing.localizer is not None


STAGES = (
    Stage(
        "network_use_pass",
        "network_use:run_pass",
        ("editing", "probing", "following", "localizer", "written", "unit_pages"),
        NETWORK_USE,
        decomposed,
        after="networks_pass",
        pieces=_edits,
        prepares=_localizes,
    ),
    Stage(
        "network_use",
        "network_use:write_all",
        ("editing", "editing_effects", "probing", "following", "driving", "localizer"),
    ),
    Stage(
        "network_agreement",
        "maps:write_agreement",
        ("written", "network_agreement", "localizer_selection"),
    ),
    Stage("written", "written:write_written"),
    Stage("unit_pages", "unit_pages:write_unit_pages", ("unit_pages", "following")),
)
