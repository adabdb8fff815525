"""What the check runs on: names and versions for the report, and the device's own rate."""

from __future__ import annotations

import os
import platform
import subprocess
from typing import Any

import torch
from gpu.clock import median_seconds


def facts(device: torch.device) -> dict[str, Any]:
    """Names and versions."""
    from brodmann.provenance import software

    found: dict[str, Any] = {
        **software(),
        "torch": torch.__version__,
        "torch_cuda": torch.version.cuda,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "device": str(device),
        "card": "none",
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "card": properties.name,
            "memory": properties.total_memory,
            "multiprocessors": properties.multi_processor_count,
            "driver": _driver(),
        }
    return found


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip().splitlines()[0]


def matmul_rate(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """Operations a second of a square matrix product on random numbers."""
    one = torch.randn(side, side, device=device, dtype=dtype)
    other = torch.randn(side, side, device=device, dtype=dtype)
    out = torch.empty_like(one)
    return 2 * side**3 / median_seconds(lambda: torch.mm(one, other, out=out), rounds=9, warm=3)


def copy_rate(device: torch.device, count: int) -> float:
    """Bytes a second of a copy within the device, read and written."""
    one = torch.randn(count, device=device)
    other = torch.empty_like(one)
    return 2 * one.nbytes / median_seconds(lambda: other.copy_(one), rounds=9, warm=3)
