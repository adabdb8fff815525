"""Jobs of the networks, in the order in which they run."""

from brodmann.config.study import Study
from brodmann.networks.costs import NETWORKS
from brodmann.runner.stage import Stage


def decomposed(study: Study, model: str) -> bool:
    """Whether the model's networks are sought."""
    return model in study.network_models


def _samples(study: Study) -> int:
    """A dataset's templates are one piece, each further sample another."""
    found = study.networks
    return len(found.names) * (1 + found.individual_samples)


STAGES = (
    Stage(
        "networks_pass",
        "decomposition:run_pass",
        ("networks",),
        NETWORKS,
        decomposed,
        pieces=_samples,
    ),
    Stage(
        "networks",
        "decomposition:write_networks",
        ("networks", "network_tables"),
        rule="network_tables",
    ),
    Stage("fingerprint", "following:write_fingerprint"),
)
