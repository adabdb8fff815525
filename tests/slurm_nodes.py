"""Nodes of a cluster, as a job of ``brodmann check --cluster`` finds them."""

from __future__ import annotations

from pathlib import Path

from brodmann.pipeline.slurm.node import Node, Place, Torch
from brodmann.provenance import software

CUDA = Torch("2.13.0+cu130", "13.0", "")


def good_node(cache: Path) -> Node:
    """One on which all is as it should be."""
    return Node(
        name="node7",
        partition="gpu",
        cpus=2,
        gpus=[("NVIDIA H100 80GB HBM3", 85_000_000_000)],
        driver_gpus=["NVIDIA H100 80GB HBM3, 81559 MiB, 580.1"],
        torch=CUDA,
        places={"cache": Place(str(cache), True, True, 2_000_000_000_000)},
        software=software(),
    )
