"""Predicted against measured times, stage by stage: ``pytest -s`` prints the table of docs/large-models.md.

Measured: ``make demo`` on two idle cores (docs/performance.md), and the GPU check (docs/measured-h100.txt,
docs/measured-h200.txt).
"""

import json
import re

import pytest
from gpu.circuits import ITEMS, TARGETS
from gpu.shapes import LLAMA, QWEN

from brodmann.capacity import resources
from brodmann.capacity.plan import batch_taken, plan
from brodmann.capacity.rates import rates
from brodmann.capacity.sizes import ModelSize, size_of_folder
from brodmann.config.load import load_config
from brodmann.runner.footprint import Widths
from brodmann.runner.lengths import Lengths

SMOLLM2 = ModelSize(134_515_008, 4, Widths(30, 576, 1536, 576, 192, 49_152, 4))
# A prediction is not below this share of what was measured, nor above so many times.
LEAST, MOST = 0.8, 2.0


def check(what, predicted, measured):
    print(f"\n| {what} | {predicted:.3g} s | {measured:.3g} s | {predicted / measured:.2f} |")
    assert LEAST < predicted / measured < MOST, what


# Stage -> seconds of a job on an AMD EPYC, its start included.
DEMO = {
    ("baseline", "smollm2"): 35,
    ("localizer", "smollm2"): 16,
    ("lesion", "smollm2"): 12,
    ("ablation", "smollm2"): 103,
    ("networks", "smollm2"): 35,
    ("network_use", "smollm2"): 20,
}


def test_of_the_demo(root):
    study, here = load_config([root / "config.yaml"], root=root).study, rates("cpu", 2)
    for (stage, model), seconds in DEMO.items():
        how = {"on_gpu": False, "here": here, "together": True}
        time = resources.time_of(study, f"{stage}_pass", model, SMOLLM2, root / "data", **how)
        check(f"{model}: {stage}", 60 * time.minutes, seconds)
    # The untrained model has its baselines and attributions in one reading, too.
    one, twin, apart = (
        resources.effort(
            study, "baseline_pass", model, SMOLLM2, root / "data", on_gpu=False, together=both
        )
        for model, both in (
            ("smollm2", True),
            ("smollm2-untrained", True),
            ("smollm2-untrained", False),
        )
    )
    assert one == twin != apart


# The memory of each card, in bytes / 1e9.
CARDS = {"H100": 85.1, "H200": 150.1}


@pytest.fixture(params=CARDS)
def card(request):
    """A kind of GPU that was measured."""
    return request.param


@pytest.fixture
def measured(root, card):
    """What is measured in a line of its file."""
    text = (root / "docs" / f"measured-{card.lower()}.txt").read_text()
    return lambda what: float(
        re.search(rf"{re.escape(what)} +([0-9.,]+)", text)[1].replace(",", "")
    )


def test_on_a_gpu(root, tmp_path, monkeypatch, card, measured):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text(json.dumps(LLAMA.config))
    config = {
        "models": {"m": {"source": "path:weights", "format": "chat", "control": True}},
        "tasks": {"items": ITEMS, "min_items": 1},
        "attribution": {"second_seed": False},
        "ablation": {"max_items": ITEMS},
        "networks": {
            "datasets": {"encyclopedia": "corpus:encyclopedia"},
            **{"individual_samples": 2, "individual_components": 16, "restarts": 2},
        },
    }
    (tmp_path / "study.json").write_text(json.dumps(config))
    study = load_config([tmp_path / "study.json"], root=root).study
    size = size_of_folder(tmp_path / "weights", study.model("m"))
    tasks = len(study.tasks.selected)

    def working(stage, together=None):
        how = {"on_gpu": True, "here": rates(card), "together": together}
        time = resources.time_of(study, f"{stage}_pass", "m", size, root / "data", **how)
        return 60 * time.working

    check("baseline", working("baseline", False) / tasks, measured("baseline: a task"))
    check(
        "attribution",
        working("attribution") / tasks,
        measured("a task with halves and bootstraps (defaults)"),
    )
    check("localizer", working("localizer"), measured("localizer pass"))
    check("networks", working("networks"), measured("networks pass"))
    # The circuits of all tasks, on four of them alone.
    every = resources.prompt_lengths(study, str(root / "data"), True)
    nothing = Lengths(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    some = {task: own if task in TARGETS else nothing for task, own in every.items()}
    monkeypatch.setattr(resources, "prompt_lengths", lambda *_: some)
    rows = len(TARGETS) * ITEMS * (1 + 4 * tasks + 3)
    check("ablation", working("ablation"), rows / measured("rows (lesion, item)"))


def test_memory_of_a_32b_shape_on_a_gpu(root, tmp_path, monkeypatch, card, measured):
    """What the check measured there (weights and a batch), never above the plan and at most 25 % below it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text(json.dumps(QWEN.config))
    config = {"models": {"m": {"source": "path:weights"}}, "tasks": {"items": 200}}
    (tmp_path / "study.json").write_text(json.dumps(config))
    study = load_config([tmp_path / "study.json"], root=root).study
    [found] = plan(study, ["m"], gpu_gb=CARDS[card])
    for stage in found.stages:
        if stage.stage in ("attribution", "ablation"):
            planned = (stage.memory.weights + batch_taken(stage, found.gpu_bytes)) / 1e9
            peak = measured(f"{stage.stage}: peak memory")
            print(f"\n| 32 B on {card}: {stage.stage} | {planned:.1f} GB | {peak:.1f} GB |")
            assert 0.75 * planned <= peak <= planned
