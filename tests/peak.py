"""Peak memory of one stage's work on one batch: ``python peak.py FOLDER STAGE`` prints bytes.

A process of its own, as peaks do not come down again. ``load`` is the process and the loaded weights, every
page of them touched.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from brodmann.circuits.ablation import Ablator, Kept, Lesion
from brodmann.circuits.attribution import Attributor
from brodmann.localizers.lesion import lesion
from brodmann.localizers.selectivity import measure
from brodmann.models.load import load_model
from brodmann.models.selfcheck import self_check
from brodmann.networks.decompose import decompose
from brodmann.networks.extraction import Extractor
from brodmann.runner.activations import Activations
from brodmann.runner.answers import score_items
from brodmann.runner.encode import EncodedItem
from brodmann.runner.engine import Engine
from brodmann.runner.repeated import Scored
from brodmann.runner.scoring import Query, Scorer

LENGTH, ITEMS = 64, 32  # 2048 tokens: more than a tree on the CPU
PASSAGE = 256
# Of the group level of networks: texts, their tokens; networks.
SAMPLES, COMPONENTS = (20, 256), 10


def peak() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if "VmHWM" in line)


def rows(count: int, length: int, seed: int) -> list[tuple[int, ...]]:
    dice = torch.Generator().manual_seed(seed)
    drawn = torch.randint(5, 250, (count, length), generator=dice)
    return [tuple(row) for row in drawn.tolist()]


def items() -> list[EncodedItem]:
    pairs = zip(rows(ITEMS, LENGTH, 0), rows(ITEMS, LENGTH, 1), strict=True)
    return [EncodedItem(clean, corrupted, (7,), (8,)) for clean, corrupted in pairs]


def work(model, stage: str) -> None:
    if stage == "load":
        with torch.no_grad():
            sum(float(parameter.sum()) for parameter in model.hf.parameters())
    elif stage == "check":
        self_check(model)
    elif stage == "baseline":
        score_items("t", items(), Scorer(model))
    elif stage == "attribution":
        for _ in Attributor(model).contributions("t", items()):
            pass
    elif stage == "ablation":
        width = model.neurons_per_layer
        lesions = [Lesion.of([layer * width + 1], width) for layer in range(model.n_layers)]
        Ablator(model).scores(items(), lesions[:4], "corrupted")
    elif stage == "faithfulness":
        dice = np.random.default_rng(0)
        kept = dice.random((4, model.n_layers, model.neurons_per_layer)) < 0.5
        Ablator(model).scores(items(), [Kept(units) for units in kept], "corrupted")
    elif stage == "localizer":
        measure(Activations(model), rows(64, 32, 0), rows(64, 32, 1), "mean")
    elif stage == "networks":
        texts = rows(*SAMPLES, 0)
        with (
            TemporaryDirectory() as aside,
            Extractor(model).concatenated(texts, aside) as signals,
        ):
            decompose(signals, COMPONENTS, restarts=2)
    elif stage == "lesion":
        texts = [Query(row[:1], row[1:]) for row in rows(8, PASSAGE, 0)]
        scored, top = Scored(Engine(model), texts), model.n_layers - 1
        for layer in (0, top):
            with lesion(model, [(layer, 0)]):
                scored.log_probabilities(layer)
    else:
        raise ValueError(stage)


if __name__ == "__main__":
    torch.set_num_threads(2)
    folder, chosen = sys.argv[1:]
    work(load_model(folder, name="m", device="cpu"), chosen)
    print(peak())
