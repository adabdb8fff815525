"""Measures this machine, in a few seconds: how jobs start, products of matrices, how blocks are launched.

What stages reach of that is as on the devices of ``rates.yaml``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from brodmann.capacity.rates import CORES, CPU, GPU, keep, kinds
from brodmann.models.cache import Cache
from brodmann.runner.footprint import Widths

_SECONDS = 1.0
_STARTING = "import torch, transformers, brodmann.models.load"
# Rows of a product; tokens and blocks of a pass that is over as soon as it is launched.
_ROWS, _TOKENS, _LAYERS = {CPU: 512, "cuda": 8192}, 4, 8


def calibrate(cache: Cache, models: Iterable[Widths], device: str) -> None:
    """Measure the device (cpu, cuda) for models of these widths, and keep it."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _STARTING], check=True)
    start = time.monotonic() - began
    threads = torch.get_num_threads()
    cores, matmul = min(CORES, threads), {}
    for widths in sorted(models, key=lambda own: own.hidden):  # of several, the largest
        name = "float32" if widths.dtype >= 4 else "bfloat16"
        rate = _product(widths, getattr(torch, name), device)
        # A job has no more cores than that.
        matmul[name] = rate * cores / threads if device == CPU else rate
    measured = {"kind": _kind(device), "cores": cores, "matmul": matmul}
    keep(cache, device, {**measured, "block": _block(device), "start": round(start, 2)})


def _kind(device: str) -> str:
    """Whose shares are taken for those of this device."""
    if device == CPU:
        return CPU
    name = torch.cuda.get_device_name()
    return next((kind for kind in kinds() if kind in name), GPU)


def _product(widths: Widths, dtype: torch.dtype, device: str) -> float:
    """Operations a second of the product that a model of these widths has most of."""
    inner, rows = widths.neurons or 4 * widths.hidden, _ROWS[device]
    left = torch.randn(rows, widths.hidden, device=device).to(dtype)
    right = torch.randn(widths.hidden, inner, device=device).to(dtype)
    return 2 * rows * widths.hidden * inner / _fastest(lambda: left @ right, device)


def _block(device: str) -> float:
    """Seconds that a block of a pass over few tokens takes."""
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 1, "vocab_size": 64}
    model = LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=_LAYERS)).to(device).eval()
    ids = torch.zeros(1, _TOKENS, dtype=torch.long, device=device)
    return _fastest(lambda: model(input_ids=ids, use_cache=False), device) / _LAYERS


def _fastest(run: Callable[[], object], device: str) -> float:
    """Seconds. The fastest of several: what else the machine did meanwhile is not its speed."""
    took: list[float] = []
    with torch.inference_mode():
        run()  # the first is slower
        while len(took) < 3 or sum(took) < _SECONDS:
            began = time.perf_counter()
            run()
            if device != CPU:
                torch.cuda.synchronize()
            took.append(time.perf_counter() - began)
    return min(took)
