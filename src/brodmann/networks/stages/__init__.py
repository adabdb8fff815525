"""Jobs of the networks, in the order in which they run."""

from brodmann.config.study import Study
from brodmann.networks.costs import NETWORKS
from brodmann.runner.stage import Stage


def decomposed(study: Study, model: str) -> bool:
    """Whether the model's networks are sought."""
    return model in study.network_models


STAGES = (
    Stage("networks_pass", "decomposition:run_pass", ("networks",), NETWORKS, decomposed),
    Stage(
        "networks",
        "decomposition:write_networks",
        ("networks", "network_tables"),
        rule="network_tables",
    ),
    Stage("fingerprint", "following:write_fingerprint"),
)
