"""What each stage that loads a model holds in memory: weights, work on a batch, and what it gathers.

Predictions, meant to err upwards by less than half; docs/large-models.md holds them against measured peaks.
"""

from __future__ import annotations

from dataclasses import dataclass

from brodmann.capacity.sizes import ModelSize
from brodmann.config.study import Study
from brodmann.pipeline.stages import PASSES
from brodmann.runner.costs import LONGEST, Batch

# A process with Python, torch and a model's code, before any weights; CUDA's own on the device.
PROCESS = 550_000_000
CUDA_CONTEXT = 800_000_000


@dataclass(frozen=True)
class StageMemory:
    """Bytes: the weights, the work on one row of the longest text and on a batch, what the host gathers."""

    rule: str
    weights: int
    least: int
    batch: int
    gathered: int

    @property
    def process(self) -> int:
        """The peak of a process that does all of it on the CPU."""
        return PROCESS + self.weights + self.batch + self.gathered


def stage_memory(study: Study, size: ModelSize, rule: str, device: str = "cpu") -> StageMemory:
    """The prediction for a rule on a device (cpu, cuda or mps)."""
    cost, widths = PASSES[rule], size.widths
    tokens = study.execution.batch_tokens or widths.nodes_at_once(device)
    usual = Batch(max(1, tokens // cost.length), cost.length)
    return StageMemory(
        rule,
        size.held(device),
        cost.held(study, widths, Batch(1, LONGEST)),
        cost.held(study, widths, usual),
        cost.gathered(study, widths, usual),
    )
