"""Jobs that compare maps, in the order in which they run."""

from brodmann.networks.costs import NETWORK_USE
from brodmann.networks.stages import decomposed
from brodmann.runner.stage import Stage

STAGES = (
    Stage(
        "network_use_pass",
        "network_use:run_pass",
        ("editing", "probing", "following", "localizer", "written"),
        NETWORK_USE,
        decomposed,
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
)
