"""``execution:``: how it runs; in no params and no store key."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints, Tag

from brodmann.config.resolve import Resolver
from brodmann.config.section import BY_KIND, Count, Section, Text

_Device = Annotated[Text, StringConstraints(pattern="^(auto|cpu|cuda(:[0-9]+)?|mps)$")]
_Auto = Annotated[Text, StringConstraints(pattern="^auto$")]


class ExecutionKeys(Section):
    """How it runs. Nothing here changes a result beyond float noise, nor triggers a rerun."""

    device: _Device = "auto"
    """auto takes a CUDA device where there is one, else the CPU; or cpu, cuda, cuda:N, mps."""
    batch_tokens: Annotated[
        Annotated[Count, Tag("|number")] | Annotated[_Auto, Tag("|text")], BY_KIND
    ] = "auto"
    """Tokens in one forward pass; auto chooses by device, and halves when memory runs out."""
    shards: Annotated[
        Annotated[Count, Tag("|number")] | Annotated[_Auto, Tag("|text")], BY_KIND
    ] = "auto"
    """Jobs that share a pass over a model, on as many GPUs (docs/large-models.md); auto follows from
    job_minutes on clusters, from the GPUs on one machine (profiles/multi-gpu), and is 1 without."""
    job_minutes: Count = 120
    """Minutes that a job on a cluster may take, about, where shards is auto."""
    cache: Text | None = None
    """Folder for downloaded and converted weights, shared by studies and nodes; null is $BRODMANN_CACHE, else
    ~/.cache/brodmann (and the hub's own cache for hf sources)."""

    def resolved(self, here: Resolver) -> Execution:
        """The section with its folder found."""
        path = ("execution", "cache")
        return Execution(
            device=self.device,
            batch_tokens=None if isinstance(self.batch_tokens, str) else self.batch_tokens,
            shards=None if isinstance(self.shards, str) else self.shards,
            job_minutes=self.job_minutes,
            cache=None if self.cache is None else str(here.resolve(self.cache, path)),
        )


class Execution(ExecutionKeys):
    """``execution:``, with None for as many tokens as fit, and for as many shards as are worth it."""

    batch_tokens: int | None = None  # type: ignore[assignment]
    shards: int | None = None  # type: ignore[assignment]
