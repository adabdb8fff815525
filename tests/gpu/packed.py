"""Section *packed*: quantised weights as this device keeps them, against plain ones of the same values."""

from __future__ import annotations

import tempfile
from pathlib import Path

import packed_checkpoints as made
import torch
from gpu.clock import Budget
from gpu.report import Report

from brodmann.circuits.attribution import Attributor
from brodmann.models.load import LoadedModel, load_model, wrap_model
from brodmann.runner.answers import queries_of
from brodmann.runner.encode import EncodedItem
from brodmann.runner.scoring import Scorer

FORMATS = {
    "fp8": lambda device: made.fp8,
    "mxfp4": lambda device: made.mxfp4,
    "nf4": lambda device: made.packed_by_transformers(made.nf4, device),
    "int8": lambda device: made.packed_by_transformers(made.int8, device),
    "compressed-tensors int4": lambda device: made.int4,
}
# Products of FP8 and int8 round their activations, too; all run in float32 or bf16.
LEAST_CORRELATION = 0.9
_ITEM = EncodedItem(tuple(range(20, 40)), tuple(range(21, 41)), (7,), (9,))


def packed(report: Report, budget: Budget, device: str, small: bool) -> None:
    """Scores and attributions of each format that can be loaded here; else the reason, in a line."""
    width = 128 if small else 1024
    for name, maker in FORMATS.items():
        if budget.left < 5:
            report.add("packed", f"{name}: left out", "no time")
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                plain = maker(device)(Path(folder), width)
                model = load_model(folder, name="m", device=device)
            except Exception as error:  # a package, a kernel or a device that is not there
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                report.add("packed", f"{name}: not here", reason[:80])
                continue
            _compare(report, name, model, wrap_model(plain.to(device), model.tokenizer, name="p"))


def _compare(report: Report, name: str, model: LoadedModel, plain: LoadedModel) -> None:
    own = model.quantised
    assert own is not None
    report.add("packed", f"{name}: stays packed", str(own.packed))
    queries = queries_of(_ITEM)
    expected, found = (
        torch.tensor(Scorer(one).log_probabilities(queries)) for one in (plain, model)
    )
    gap = (found - expected).abs().max() / expected.abs().max()
    report.add("packed", f"{name}: scores, largest difference", float(gap), most=0.1)
    report.add("packed", f"{name}: gradients", str(own.gradients))
    if not own.gradients:
        return
    scores = [
        next(Attributor(one, components=("heads",)).contributions("t", [_ITEM])).values["heads"][0]
        for one in (plain, model)
    ]
    pair = torch.stack([own.float().cpu().ravel() for own in scores])
    correlation = float(torch.corrcoef(pair)[0, 1])
    report.add("packed", f"{name}: attributions, correlation", correlation, least=LEAST_CORRELATION)
