"""What jobs that load a model ask a cluster for: memory, time and GPUs, from the model's size and the work.

Estimates, on the safe side: too much costs time in the queue, too little ends a job. A job that was ended is
tried again with more (``attempt``), and goes on where it was. A profile may replace any of it
(docs/cluster.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brodmann.config.study import ModelEntry, Study

# Bytes of a number, by the names that configs and safetensors headers use.
WIDTHS = {
    **{"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2},
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1},
}
# What checkpoints of the hub hold, unless they say something else.
_USUAL_WIDTH = 2

# Memory of the host beside the weights: three interpreters, torch, CUDA's own, items and scores.
BASE_MB = 6000
# The weights pass through the host's memory, or stay there (CPU); with room for a conversion and for buffers.
WEIGHTS_SHARE = 1.5

# Minutes. Starting and loading take some even for the smallest model; few queues take more than a day.
SHORTEST = 30
LONGEST = 24 * 60
# Weights are read at this rate from a busy shared file system (bytes/s).
_READING = 100e6
# What forward passes reach, in operations a second: a modest share of a data-centre GPU; eight cores.
_SPEED = {"gpu": 2e13, "cpu": 2e11}
# A problem's tokens, template included, and how many items a task without a number of its own may have.
_TOKENS = 64
_ITEMS = 1000
_MARGIN = 2.0


@dataclass(frozen=True)
class ModelSize:
    """A model's parameters, and the bytes that each takes once it is loaded."""

    parameters: int
    width: int

    @property
    def bytes(self) -> int:
        """What the weights take in memory."""
        return self.parameters * self.width


def model_size(entry: ModelEntry, card_file: str | Path, record_file: str | Path) -> ModelSize:
    """From the model's card where there is one, else from its record, else from a local folder of weights.

    Before any of them exists (a model of the hub that is not fetched yet) it raises ``FileNotFoundError``.
    """
    if (card := _read(card_file)) is not None:
        return ModelSize(card["n_parameters"], _loaded_width(entry, WIDTHS[card["dtype"]]))
    headers = _headers(Path(entry.location)) if entry.kind == "path" else None
    if headers is not None and not entry.untrained:
        parameters, width = headers
        return ModelSize(parameters, _loaded_width(entry, width))
    record = _read(record_file)
    if record is None:
        raise FileNotFoundError(record_file)
    # GGUF files are unpacked, and untrained models drawn, as float32.
    converted = entry.untrained or entry.kind in ("gguf", "wheel")
    stored = WIDTHS["float32"] if converted else _USUAL_WIDTH
    return ModelSize(record["bytes"] // stored, _loaded_width(entry, stored))


def _loaded_width(entry: ModelEntry, own: int) -> int:
    return own if entry.dtype == "auto" else WIDTHS[entry.dtype]


def _read(path: str | Path) -> dict[str, Any] | None:
    """A JSON file, or None where it is missing or damaged: the job itself says what is wrong."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _headers(folder: Path) -> tuple[int, int] | None:
    """Parameters, and bytes of each, of a folder's safetensors; their headers alone are read."""
    parameters = total = 0
    try:
        for path in sorted(folder.glob("*.safetensors")):
            with open(path, "rb") as handle:
                header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
            for name, tensor in header.items():
                if name != "__metadata__":
                    count = math.prod(tensor["shape"])
                    parameters += count
                    total += count * WIDTHS.get(tensor["dtype"], 4)
    except (OSError, ValueError, KeyError, MemoryError, OverflowError):
        return None
    return (parameters, math.ceil(total / parameters)) if parameters else None


def gpus(study: Study, model: str) -> int:
    """GPUs of a job: none on the CPU, else what the model's entry says."""
    return 0 if study.execution.device == "cpu" else study.model(model).gpus


def memory_mb(size: ModelSize, attempt: int = 1) -> int:
    """Memory of the host in MB; every further attempt asks for as much again."""
    return math.ceil(BASE_MB + WEIGHTS_SHARE * size.bytes / 1e6) * attempt


def runtime_minutes(size: ModelSize, prompts: int, *, on_gpu: bool, attempt: int = 1) -> int:
    """Minutes to load a model and to read so many prompts, within what queues take."""
    work = 2 * size.parameters * _TOKENS * prompts / _SPEED["gpu" if on_gpu else "cpu"]
    minutes = math.ceil((size.bytes / _READING + _MARGIN * work) / 60)
    return min(LONGEST, max(SHORTEST, minutes) * attempt)


def prompts(study: Study, rule: str) -> int:
    """About how many prompts a job of ``rule`` reads; a backward pass counts as two."""
    return _PROMPTS[rule](study)


# Texts of a localizer, both kinds, and passages of a corpus, about.
_TEXTS, _PASSAGES = 500, 50


def _items(study: Study) -> int:
    return study.tasks.items or _ITEMS


def _checking(study: Study) -> int:
    return 200


def _baseline(study: Study) -> int:
    # Clean and corrupted, with both answers.
    return len(study.tasks.selected) * _items(study) * 4


def _attribution(study: Study) -> int:
    found = study.attribution
    # Clean and corrupted, and the way back from the one or from every step between them.
    each = (
        2
        + {"patching": 4, "ig": 3 * found.ig_steps, "exact": 4 + found.exact_units}[found.estimator]
    )
    lists = len(study.tasks.selected) + len(study.second_tasks)
    compared = len(found.agreement_tasks) * found.agreement_items * found.agreement_units
    return lists * _items(study) * each + compared * len(found.components)


def _ablation(study: Study) -> int:
    made = study.ablation
    tasks = len(study.tasks.selected)
    used = min(_items(study), made.max_items or _items(study))
    lesions = 1 + tasks * (1 + made.layer_matched_trials) + made.random_trials
    variants = len(made.kinds) * len(study.ablated_selections) * len(study.attribution.components)
    return tasks * used * 2 * lesions * variants


def _localizer(study: Study) -> int:
    return _TEXTS * len(study.localizer.networks)


def _lesion(study: Study) -> int:
    made = study.localizer.lesion
    lesions = 1 + len(study.localizer.lesioned) * len(made.kinds) * (1 + len(made.seeds))
    # Passages are longer than prompts.
    each = 4 * (made.passages or _PASSAGES) + len(made.tasks) * made.items * 2
    return len(study.localizer.networks) * lesions * each


def _networks(study: Study) -> int:
    found = study.networks
    samples = len(found.datasets) * (found.group_samples + found.individual_samples)
    # Samples may be longer than prompts; decomposing one takes about as long as reading it.
    return samples * 2 * math.ceil(found.max_tokens / _TOKENS)


def _network_use(study: Study) -> int:
    use, datasets = study.networks.use, len(study.networks.datasets)
    made = use.editing
    single = study.networks.group_components if made.networks else 0
    lines = datasets * (single + 2) + 3 * datasets * (datasets - 1) // 2 + 1
    edits = lines * (1 + len(made.seeds)) * len(made.edits)
    each = 4 * (made.passages or _PASSAGES) + len(made.tasks) * made.items * 4
    probed = (2 * datasets + 1) * (1 + len(made.seeds)) * len(made.edits)
    probed *= 2 * use.probing.items * len(use.probing.tasks)
    return (1 + edits) * each + probed + datasets * (use.following.texts + 1) + _TEXTS


_PROMPTS: dict[str, Callable[[Study], int]] = {
    "check_model": _checking,
    "baseline_pass": _baseline,
    "attribution_pass": _attribution,
    "ablation_pass": _ablation,
    "localizer_pass": _localizer,
    "lesion_pass": _lesion,
    "networks_pass": _networks,
    "network_use_pass": _network_use,
}


def needs(study: Study, rule: str) -> dict[str, Callable[..., int]]:
    """The ``resources:`` of a rule that loads a model: functions that Snakemake calls for each job.

    They are called when the job is about to be submitted, too: what was not known before is known then.
    """

    def size(wildcards: Any) -> ModelSize:
        folder = Path("results", wildcards.model)
        return model_size(
            study.model(wildcards.model), folder / "model.json", folder / ".source.json"
        )

    def gpu(wildcards: Any) -> int:
        return gpus(study, wildcards.model)

    def mem_mb(wildcards: Any, attempt: int) -> int:
        try:
            return memory_mb(size(wildcards), attempt)
        except FileNotFoundError:
            return BASE_MB * attempt

    def runtime(wildcards: Any, attempt: int) -> int:
        try:
            found = size(wildcards)
        except FileNotFoundError:
            return SHORTEST * attempt
        on_gpu = gpus(study, wildcards.model) > 0
        return runtime_minutes(found, prompts(study, rule), on_gpu=on_gpu, attempt=attempt)

    return {"gpu": gpu, "mem_mb": mem_mb, "runtime": runtime}
