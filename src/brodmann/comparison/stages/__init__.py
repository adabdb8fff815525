"""Jobs that compare maps, in the order in which they run."""

from brodmann.config.study import Study
from brodmann.networks.costs import NETWORK_USE
from brodmann.networks.stages import decomposed
from brodmann.runner.stage import Stage


def _edits(study: Study) -> int:
    """At least so many: every dataset's networks together and its best units, with random ones."""
    made = study.networks.use.editing
    drawn = len(made.seeds) + len(made.activation_matched_seeds)
    return 2 * len(study.networks.names) * (1 + drawn) * len(made.edits)


def _draws(study: Study) -> bool:
    """Whether the model says which units are edited: those of a localizer, or units that are as active."""
    made = study.networks.use.editing
    return made.localizer is not None or bool(made.activation_matched_seeds)


STAGES = (
    Stage(
        "network_use_pass",
        "network_use:run_pass",
        ("editing", "probing", "following", "localizer", "written", "unit_pages"),
        NETWORK_USE,
        decomposed,
        after="networks_pass",
        pieces=_edits,
        prepares=_draws,
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
    Stage("unit_pages", "unit_files:write_unit_pages", ("unit_pages", "following")),
)
