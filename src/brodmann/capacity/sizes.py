"""How large a model is, from what is known of it without loading it: its card, its files, its record."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from brodmann.capacity.model_config import USUAL_WIDTH, WIDTHS, ModelConfig, read_json
from brodmann.config.models import ModelEntry
from brodmann.models.packing import Packing, packing_of
from brodmann.runner.footprint import Widths

# Names of weights that a multimodal model has beside its language model.
_TOWERS = re.compile(r"vision|visual|image|audio|speech|projector|connector|aligner", re.IGNORECASE)


@dataclass(frozen=True)
class ModelSize:
    """A model's parameters, and the bytes that each takes once it is loaded.

    ``known``: its widths, where they are known. ``stored``: bytes of its files, where they are known.
    ``active``: parameters that one token goes through, where the others are experts. ``hidden``: whether the
    neurons of experts are known to be out of reach. ``stateful``: it has recurrent states; ``shares``:
    whether rows go on from one that they have in common. ``chat``: whether it has a chat template; None if
    that is not known. ``packing``, ``packed``: of quantised weights their format, and the bytes that they
    take where they stay packed; ``width`` is that of what they are unpacked to.
    """

    parameters: int
    width: int
    known: Widths | None = field(default=None, compare=False)
    stored: int | None = field(default=None, compare=False)
    active: int | None = field(default=None, compare=False)
    hidden: bool = field(default=False, compare=False)
    stateful: bool = field(default=False, compare=False)
    shares: bool = field(default=False, compare=False)
    chat: bool | None = field(default=None, compare=False)
    packing: Packing | None = field(default=None, compare=False)
    packed: int | None = field(default=None, compare=False)

    @property
    def bytes(self) -> int:
        """What the weights take in memory of a GPU."""
        return self.held("cuda")

    def held(self, device: str) -> int:
        """What the weights take in the memory of a device (cpu, cuda or mps)."""
        if self.packing is not None and self.packed is not None and device in self.packing.devices:
            return self.packed
        return self.parameters * self.width

    def passing(self, device: str) -> int:
        """What loading maps of the files beside the weights, if these are cast to another dtype."""
        held = self.held(device)
        return 0 if self.stored is None or abs(self.stored - held) < 0.1 * held else self.stored

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


def model_size(
    entry: ModelEntry,
    card_file: str | Path,
    record_file: str | Path,
    folder: Path | None = None,
) -> ModelSize:
    """From the model's card where there is one, else from a local folder, else from its record.

    ``folder``: where its configuration is, if that is known; of a path source it always is.

    Before any of them exists (a model of the hub that is not fetched yet) it raises ``FileNotFoundError``.
    """
    record = read_json(record_file)
    stored = None if record is None else record.get("bytes")
    folder = Path(entry.location) if entry.kind == "path" else folder
    own = None if folder is None else ModelConfig.of(folder)
    if (card := read_json(card_file)) is not None:
        width = _loaded_width(entry, WIDTHS[card["dtype"]])
        chat, known = card.get("has_chat_template"), _of_card(card, own, width)
        found = _sized(own, card["n_parameters"], width, known, stored, unpacked=_unpacked(entry))
        if own is None and (card.get("quantised") or {}).get("packed"):
            packing = Packing(card["quantised"]["format"], 0.0, 0.0)
            found = replace(found, packing=packing, packed=stored)
        shares = (card.get("packs") or {}).get("shares", found.shares)
        return replace(found, chat=chat, shares=bool(shares))
    if folder is not None and not entry.untrained:
        found = size_of_folder(folder, entry)
        if found is not None:
            return found
    if record is None:
        raise FileNotFoundError(record_file)
    # GGUF files are unpacked, and untrained models drawn, as float32.
    converted = entry.untrained or entry.kind in ("gguf", "wheel")
    stored_width = WIDTHS["float32"] if converted else USUAL_WIDTH
    width = _loaded_width(entry, stored_width)
    known = None if own is None else own.widths(width)
    return _sized(
        *(own, record["bytes"] // stored_width, width, known, stored), unpacked=_unpacked(entry)
    )


def size_of_folder(folder: Path, entry: ModelEntry) -> ModelSize | None:
    """From a checkpoint's safetensors, or from its config alone where there are no weights yet."""
    own = ModelConfig.of(folder)
    counted = own.parameters if own is not None and own.counted else None
    headers = None if entry.untrained else _headers(folder, own)
    if headers is None:
        if own is None or counted is None or _pickles(folder):
            return None
        width = _loaded_width(entry, WIDTHS["float32"] if entry.untrained else own.width)
        return _sized(own, counted.total, width, own.widths(width), unpacked=_unpacked(entry))
    parameters, total = headers
    stored_width = math.ceil(total / parameters)
    if own is not None and own.quantised:
        # Several numbers lie in one that is stored.
        stored_width = own.width
        parameters = parameters if counted is None else counted.total
    width = _loaded_width(entry, stored_width)
    known = None if own is None else own.widths(width)
    return _sized(own, parameters, width, known, total, unpacked=_unpacked(entry))


def _sized(
    own: ModelConfig | None,
    parameters: int,
    width: int,
    known: Widths | None,
    stored: int | None = None,
    *,
    unpacked: bool = False,
) -> ModelSize:
    """With what the configuration says of experts, states and quantised weights."""
    found = ModelSize(parameters, width, known, stored)
    if own is None:
        return found
    counted = own.parameters
    found = replace(found, stateful=own.stateful, shares=own.shares)
    if counted is None:
        return found
    found = replace(found, active=counted.active, hidden=counted.hidden)
    if unpacked or (packing := packing_of(own.whole)) is None:
        return found
    parts = {"linear": counted.linear, "experts": counted.experts}
    packed = packing.bytes(**parts, others=counted.tables + counted.small, width=width)
    return replace(found, packing=packing, packed=packed)


def _of_card(card: dict[str, Any], config: ModelConfig | None, width: int) -> Widths | None:
    try:
        own = None if config is None else config.widths(width)
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
            0 if own is None else own.states,
            experts["count"] if experts else 0,
        )
    except KeyError:
        return None


def _usual(parameters: int, width: int) -> Widths:
    """12 hidden^2 parameters in each of hidden / 128 blocks, and a large vocabulary."""
    hidden = max(1, round((parameters * 128 / 12) ** (1 / 3)))
    return Widths(max(1, hidden // 128), hidden, 4 * hidden, hidden, hidden, 128_000, width)


def _loaded_width(entry: ModelEntry, own: int) -> int:
    return own if entry.dtype == "auto" else WIDTHS[entry.dtype]


def _unpacked(entry: ModelEntry) -> bool:
    """Whether its weights are plain ones, even if its configuration says how they are packed."""
    return entry.dequantize or entry.untrained


def _pickles(folder: Path) -> bool:
    return any(folder.glob("*.bin"))


def _headers(folder: Path, own: ModelConfig | None) -> tuple[int, int] | None:
    """Parameters, and their bytes, of a folder's safetensors; their headers alone are read.

    Of a multimodal model those of its language model, which alone is loaded.
    """
    others = _TOWERS if own is not None and own.multimodal else None
    parameters = total = 0
    try:
        for path in sorted(folder.glob("*.safetensors")):
            with open(path, "rb") as handle:
                header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
            for name, tensor in header.items():
                if name != "__metadata__" and not (others and others.search(name)):
                    count = math.prod(tensor["shape"])
                    parameters += count
                    total += count * WIDTHS.get(tensor["dtype"], 4)
    except (OSError, ValueError, KeyError, MemoryError, OverflowError):
        return None
    return (parameters, total) if parameters else None
