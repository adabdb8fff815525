"""Section *loading*: a process's start, and safetensors read from local disk onto the device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gpu.circuits import drop, shape_of
from gpu.clock import Budget, stage, timed
from gpu.report import Report
from gpu.shapes import LLAMA, Shape, draw
from gpu.subject import ROOT

# Of the section's time, what writing may take.
WRITING = 0.5
SHARD = 2_000_000_000


def loading(report: Report, budget: Budget, setting: Any) -> None:
    """Section f."""
    drop()
    _start(report, setting)
    full = shape_of(LLAMA, setting)
    with tempfile.TemporaryDirectory(prefix="brodmann-load-") as place:
        folder = Path(place)
        shape = _affordable(report, folder, full, setting, WRITING * budget.left)
        hf = draw(shape, setting.device, torch.bfloat16)
        with stage(f"writing {shape.name}"):
            size, seconds = timed(partial(write, hf, shape, folder))
        del hf
        if setting.device.type == "cuda":
            torch.cuda.empty_cache()
        report.add(
            "loading", f"{size / 1e9:.2f} GB written to local disk", size / seconds / 1e9, "GB/s"
        )
        _save_tokenizer(folder, setting)
        for what, cold in (
            ("from disk (caches asked to let go)", True),
            ("from the file cache", False),
        ):
            if cold:
                forget(folder)
            elif budget.left < 5:
                break
            seconds = _load(folder, setting)
            report.add("loading", f"loaded {what}", size / seconds / 1e9, "GB/s")
            report.add("loading", f"loaded {what}, in all", seconds, "s")


def _start(report: Report, setting: Any) -> None:
    """From the start of a process to the first product on the device."""
    code = (
        "import torch; from brodmann.models.startup import import_model_code; import_model_code(); "
        f"x = torch.ones(8, 8, device='{setting.device}'); print((x @ x).sum().item())"
    )
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    report.add("loading", "start-up to the first product", time.perf_counter() - start, "s")


def _affordable(report: Report, folder: Path, shape: Shape, setting: Any, seconds: float) -> Shape:
    """As many layers as can be written in ``seconds``, by the rate of one gigabyte."""
    import shutil

    count = 1 << (20 if setting.small else 29)
    path = folder / "trial"
    block = os.urandom(1 << 20) * (2 * count >> 20)
    start = time.perf_counter()
    with open(path, "wb") as handle:
        handle.write(block)
        handle.flush()
        os.fsync(handle.fileno())
    rate = len(block) / (time.perf_counter() - start)
    path.unlink()
    room = min(0.8 * shutil.disk_usage(folder).free, rate * seconds)
    rest = 2 * 2 * shape.head_parameters
    layers = int((room - rest) // (2 * shape.block_parameters))
    if layers >= shape.layers:
        return shape
    report.add(
        "loading", "the disk is slow or small: layers written", max(1, layers), f"of {shape.layers}"
    )
    return shape.with_layers(max(1, layers))


def write(hf: Any, shape: Shape, folder: Path) -> int:
    """A checkpoint in shards, forced to disk; returns its bytes."""
    from safetensors.torch import save_file

    (folder / "config.json").write_text(json.dumps(shape.config))
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, value in hf.state_dict().items():
        if size + value.nbytes > SHARD and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][name] = value
        size += value.nbytes
    places, total = {}, 0
    for number, own in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(
            {name: value.cpu() for name, value in own.items()}, folder / file, {"format": "pt"}
        )
        descriptor = os.open(folder / file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        places |= dict.fromkeys(own, file)
        total += (folder / file).stat().st_size
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return total


def forget(folder: Path) -> None:
    """Ask the system to let go of the files' pages. It may not."""
    for path in folder.glob("*.safetensors"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _save_tokenizer(folder: Path, setting: Any) -> None:
    from gpu.circuits import tokenizer_of

    tokenizer_of(setting).save_pretrained(folder)


def _load(folder: Path, setting: Any) -> float:
    from brodmann.models.load import load_model

    with stage("loading"):
        model, seconds = timed(
            lambda: load_model(folder, name="loaded", device=setting.device.type)
        )
    if model.device.type != setting.device.type:
        raise RuntimeError(f"loaded to {model.device}")
    return seconds
