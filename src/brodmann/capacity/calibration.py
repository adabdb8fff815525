"""Measures how fast this machine is, in a few seconds: how jobs start, and forward passes of a few layers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from brodmann.capacity.speed import Speed, keep, known
from brodmann.models.cache import Cache
from brodmann.runner.footprint import Widths

# Parameters, layers and vocabulary of what is run for a measurement: enough to keep the machine busy.
_PARAMETERS, _LAYERS, _VOCABULARY = 2e8, 4, 1024
_ROWS, _LENGTH = 16, 64
_SECONDS = 2.0
_STARTING = "import torch, transformers, brodmann.models.load"


def calibrate(cache: Cache, models: Iterable[Widths], device: str) -> Speed:
    """Measure models of these widths (random weights, a few layers) on the device, and keep it."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _STARTING], check=True)
    start = time.monotonic() - began
    before = known(cache, device)
    operations = dict(before.operations) if before else {}
    operations |= {widths.hidden: _measured(widths, device) for widths in models}
    speed = Speed(start, operations)
    keep(cache, device, speed)
    return speed


def _measured(widths: Widths, device: str) -> float:
    """Operations a second of forward passes over a batch."""
    block = 4 * widths.hidden**2 + 3 * widths.hidden * widths.neurons
    layers = max(1, min(widths.layers, _LAYERS, int(_PARAMETERS / block)))
    heads = next(
        n for n in (widths.hidden // 64, widths.hidden // 32, 1) if n and not widths.hidden % n
    )
    config = LlamaConfig(
        hidden_size=widths.hidden,
        intermediate_size=widths.neurons or 4 * widths.hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        vocab_size=_VOCABULARY,
    )
    kind = torch.float32 if widths.dtype >= 4 else torch.bfloat16
    model = LlamaForCausalLM(config).to(device=device, dtype=kind).eval()
    parameters = sum(p.numel() for name, p in model.named_parameters() if "layers" in name)
    ids = torch.zeros(_ROWS, _LENGTH, dtype=torch.long, device=device)

    def forward() -> None:
        model(input_ids=ids, use_cache=False, logits_to_keep=1).logits.sum().item()

    with torch.inference_mode():
        forward()  # the first is slower
        took: list[float] = []
        while len(took) < 3 or sum(took) < _SECONDS:
            began = time.perf_counter()
            forward()
            took.append(time.perf_counter() - began)
    # The fastest: what else the machine did meanwhile is not its speed.
    return 2 * parameters * ids.numel() / min(took)
