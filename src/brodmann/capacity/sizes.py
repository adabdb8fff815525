"""How large a model is, from what is known of it without loading it: its card, its files, its record."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from brodmann.capacity.experts import Mixture, mixture_of
from brodmann.config.models import ModelEntry
from brodmann.models.architecture import expected_layers, expected_neurons, heads_of, hidden_size
from brodmann.runner.footprint import Widths

# Bytes of a number, by the names that configs and safetensors headers use.
WIDTHS = {
    **{"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2},
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1},
}
# What checkpoints of the hub hold, unless they say something else.
_USUAL_WIDTH = 2
# MLPs without a gate have two matrices, those with one have three.
_UNGATED = (
    *("gpt2", "gpt_neox", "gptj", "gpt_bigcode", "codegen", "bloom", "falcon", "phi", "starcoder2"),
)


@dataclass(frozen=True)
class ModelSize:
    """A model's parameters, and the bytes that each takes once it is loaded.

    ``known``: its widths, where they are known. ``stored``: bytes of its files, where they are known.
    ``active``: parameters that one token goes through, where the others are experts. ``hidden``: whether the
    neurons of experts are known to be out of reach. ``stateful``: it has
    recurrent states, so that every sequence is read whole. ``chat``: whether it has a chat template;
    None if that is not known.
    """

    parameters: int
    width: int
    known: Widths | None = field(default=None, compare=False)
    stored: int | None = field(default=None, compare=False)
    active: int | None = field(default=None, compare=False)
    hidden: bool = field(default=False, compare=False)
    stateful: bool = field(default=False, compare=False)
    chat: bool | None = field(default=None, compare=False)

    @property
    def bytes(self) -> int:
        """What the weights take in memory."""
        return self.parameters * self.width

    @property
    def passing(self) -> int:
        """What loading maps of the files beside the weights, if these are cast to another dtype."""
        if self.stored is None or abs(self.stored - self.bytes) < 0.1 * self.bytes:
            return 0
        return self.stored

    @property
    def passed(self) -> int:
        """Parameters of the blocks that a token goes through: without its table, and that of the LM head."""
        through = self.active or self.parameters
        if self.known is None:
            return through
        own, table = self.known, self.known.vocabulary * self.known.hidden
        blocks = own.hidden * own.layers * (2 * own.heads + 2 * own.keys + 3 * own.neurons)
        return min(through - table, max(blocks, through - 2 * table))

    @property
    def widths(self) -> Widths:
        """Known, or those of a usual decoder with as many parameters."""
        return self.known or _usual(self.parameters, self.width)


def model_size(entry: ModelEntry, card_file: str | Path, record_file: str | Path) -> ModelSize:
    """From the model's card where there is one, else from a local folder, else from its record.

    Before any of them exists (a model of the hub that is not fetched yet) it raises ``FileNotFoundError``.
    """
    record = _read(record_file)
    stored = None if record is None else record.get("bytes")
    folder = Path(entry.location) if entry.kind == "path" else None
    config = _read(folder / "config.json") if folder is not None else None
    if (card := _read(card_file)) is not None:
        width = _loaded_width(entry, WIDTHS[card["dtype"]])
        known = _of_card(card, config, width)
        chat = card.get("has_chat_template")
        return replace(_sized(config, card["n_parameters"], width, known, stored), chat=chat)
    if folder is not None and not entry.untrained:
        found = size_of_folder(folder, entry)
        if found is not None:
            return found
    if record is None:
        raise FileNotFoundError(record_file)
    # GGUF files are unpacked, and untrained models drawn, as float32.
    converted = entry.untrained or entry.kind in ("gguf", "wheel")
    own = WIDTHS["float32"] if converted else _USUAL_WIDTH
    width = _loaded_width(entry, own)
    known = None if config is None else widths_of(config, width)
    return _sized(config, record["bytes"] // own, width, known, stored)


def size_of_folder(folder: Path, entry: ModelEntry) -> ModelSize | None:
    """From a checkpoint's safetensors, or from its config alone where there are no weights yet."""
    config = _read(folder / "config.json")
    headers = None if entry.untrained else _headers(folder)
    if headers is None:
        if config is None or _pickles(folder):
            return None
        own = _config_width(config)
        width = _loaded_width(entry, WIDTHS["float32"] if entry.untrained else own)
        known = widths_of(config, width)
        return known and _sized(config, _parameters(config, known), width, known)
    parameters, total = headers
    own = math.ceil(total / parameters)
    if config is not None and "quantization_config" in config:
        # Several numbers lie in one that is stored (gpt-oss): it is unpacked when it is loaded.
        own = _config_width(config)
        known = widths_of(config, own)
        parameters = parameters if known is None else _parameters(config, known)
    width = _loaded_width(entry, own)
    known = None if config is None else widths_of(config, width)
    return _sized(config, parameters, width, known, total)


def _sized(
    config: dict[str, Any] | None,
    parameters: int,
    width: int,
    known: Widths | None,
    stored: int | None = None,
) -> ModelSize:
    """With what the configuration says of experts and states."""
    mixture = None if config is None else _mixture(_text(config))
    active = None if mixture is None else mixture.active
    hidden = mixture is not None and mixture.hidden
    stateful = config is not None and _has_states(_text(config))
    return ModelSize(parameters, width, known, stored, active, hidden, stateful)


def widths_of(config: dict[str, Any], width: int) -> Widths | None:
    """The widths that a ``config.json`` tells; None where it leaves one out."""
    texts = _text(config)
    holder = _as_model(texts)
    try:
        hidden, layers = hidden_size(holder), expected_layers(holder)
        heads, keys = _heads(texts)
        mixture = _mixture(texts)
        neurons = mixture.neurons if mixture else expected_neurons(holder) or 4 * hidden
        units, count = (mixture.units, mixture.count) if mixture else (0, 0)
        own = layers, hidden, neurons, heads, keys, texts["vocab_size"]
        return Widths(*own, width, units, count)
    except (AttributeError, KeyError, TypeError, ZeroDivisionError):
        return None


def _mixture(texts: dict[str, Any]) -> Mixture | None:
    """A language model's experts, if it has any and its configuration is complete."""
    try:
        return mixture_of(texts, *_heads(texts))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, ZeroDivisionError):
        return None


def _heads(texts: dict[str, Any]) -> tuple[int, int]:
    """All query and all key heads' dimensions together."""
    holder = _as_model(texts)
    heads, head = heads_of(holder)
    head = head or hidden_size(holder) // heads
    keys = texts.get("num_key_value_heads") or texts.get("multi_query_group_num") or heads
    return heads * head, keys * head


def _as_model(texts: dict[str, Any]) -> Any:
    """A language model's configuration, where a model has it."""
    own = SimpleNamespace(**texts)
    return SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: own))


# Parts of settings' names that only models with recurrent states or convolutions have.
_STATES = ("mamba", "ssm_", "linear_num_key_heads", "conv_L_cache", "lru_width")


def _has_states(texts: dict[str, Any]) -> bool:
    return any(part in name for name in texts for part in _STATES)


def _of_card(card: dict[str, Any], config: dict[str, Any] | None, width: int) -> Widths | None:
    try:
        own = None if config is None else widths_of(config, width)
        # 0 where there are none that can be addressed.
        heads = card["heads_per_layer"] * card["head_dim"] or (own and own.heads)
        heads = heads or card["hidden_size"]
        neurons, experts = card["neurons_per_layer"], card.get("experts")
        of_experts = neurons if experts else 0
        if experts:
            neurons = own.neurons if own else experts["chosen"] * experts["neurons"]
        neurons = neurons or (own and own.neurons) or 4 * card["hidden_size"]
        return Widths(
            card["n_layers"],
            card["hidden_size"],
            neurons,
            heads,
            # The card does not say how many heads share keys: none, to be safe.
            heads if own is None else own.keys,
            card["vocabulary_size"],
            width,
            of_experts,
            experts["count"] if experts else 0,
        )
    except KeyError:
        return None


def _text(config: dict[str, Any]) -> dict[str, Any]:
    """A multimodal model's language model."""
    return next((config[key] for key in ("text_config", "llm_config") if key in config), config)


def _config_width(config: dict[str, Any]) -> int:
    texts = _text(config)
    named = (source.get(key) for source in (texts, config) for key in ("dtype", "torch_dtype"))
    return next((WIDTHS[name] for name in named if name in WIDTHS), _USUAL_WIDTH)


def _parameters(config: dict[str, Any], known: Widths) -> int:
    """All matrices of a decoder: an estimate, for a config without its weights."""
    texts = _text(config)
    if (mixture := _mixture(texts)) is not None:
        return mixture.total
    matrices = 2 if texts.get("model_type") in _UNGATED else 3
    block = known.hidden * (2 * known.heads + 2 * known.keys + matrices * known.neurons)
    tables = 1 if texts.get("tie_word_embeddings", config.get("tie_word_embeddings", True)) else 2
    return known.layers * block + tables * known.vocabulary * known.hidden


def _usual(parameters: int, width: int) -> Widths:
    """12 hidden^2 parameters in each of hidden / 128 blocks, and a large vocabulary."""
    hidden = max(1, round((parameters * 128 / 12) ** (1 / 3)))
    return Widths(max(1, hidden // 128), hidden, 4 * hidden, hidden, hidden, 128_000, width)


def _loaded_width(entry: ModelEntry, own: int) -> int:
    return own if entry.dtype == "auto" else WIDTHS[entry.dtype]


def _read(path: str | Path) -> dict[str, Any] | None:
    """A JSON file, or None where it is missing or damaged: the job itself says what is wrong."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _pickles(folder: Path) -> bool:
    return any(folder.glob("*.bin"))


def _headers(folder: Path) -> tuple[int, int] | None:
    """Parameters, and their bytes, of a folder's safetensors; their headers alone are read."""
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
    return (parameters, total) if parameters else None
