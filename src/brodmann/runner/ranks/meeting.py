"""Where the ranks of a model meet, and what each says of itself."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

# Seconds that a layer's sum may be waited for: files are read at different speeds.
_TIMEOUT = 1800.0


@dataclass(frozen=True)
class Meeting:
    """What a rank needs to find the others. ``file``: where they meet, on this machine's disk."""

    rank: int
    count: int
    file: str
    device: str  # cpu | cuda
    threads: int

    def join(self) -> None:
        """Meet the other ranks; to be called before transformers' model code is imported."""
        announce(self.rank, self.count)
        import torch
        import torch.distributed as dist

        torch.set_num_threads(self.threads)
        own: dict[str, Any] = {}
        if self.device == "cuda":
            torch.cuda.set_device(self.rank)
            own["device_id"] = torch.device("cuda", self.rank)
        from datetime import timedelta

        dist.init_process_group(
            "nccl" if self.device == "cuda" else "gloo",
            init_method=f"file://{self.file}",
            rank=self.rank,
            world_size=self.count,
            timeout=timedelta(seconds=_TIMEOUT),
            **own,
        )


def announce(rank: int, count: int) -> None:
    """Say in the environment, as torchrun does, which rank this process is: libraries ask there."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    # All ranks are on this machine, whose name need not lead to an address.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
