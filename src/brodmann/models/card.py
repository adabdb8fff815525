"""``results/{model}/model.json``: what a model is, found once by loading it. Light to read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brodmann.config.massive import KEEP
from brodmann.errors import UserError
from brodmann.files import REBUILD, read_json, read_record, write_json
from brodmann.methods import METHODS
from brodmann.models.precision import NARROW
from brodmann.sites import ALL_LEVELS, COMPONENTS, EXPERTS, HEADS, OF_MIXTURES, PLACES
from brodmann.store.masks import ExpertOf, Origin

# Models whose recurrent states were shared between rows, and changed in place, before caches were confined
# to attention: numbers of that time are wrong, and not to be found again.
_MISREAD = frozenset({"falcon_h1"})
# Fields that cards had not from the first.
_LATER = ("packs", "massive", "experts", "text_of", "quantised", "absent")


@dataclass(frozen=True)
class ModelCard:
    """A model's identity and shape."""

    name: str
    source: str
    resolved_source: str
    revision: str | None
    untrained: bool
    trust_remote_code: bool
    weights_hash: str
    tokenizer_hash: str
    dtype: str
    n_parameters: int
    n_layers: int
    hidden_size: int
    neurons_per_layer: int
    heads_per_layer: int
    head_dim: int
    vocabulary_size: int
    has_chat_template: bool
    format: str  # the wording that `format: auto` or the config's own choice comes to
    architecture: dict[str, Any]
    self_check: dict[str, Any]
    # The dtype of the logits it puts out; None on a card from before this was noted, when it was its own.
    logits: str | None = None
    # How it is run: {"taken": whether it takes packed prefix trees, "reason": why not}; None on a card from
    # before this was noted. Either way gives the same numbers, so that it is no part of an identity.
    packs: dict[str, Any] | None = None
    # Site -> its units of massive activations (``runner.massive``); None on a card from before these were
    # looked for. No part of an identity: what leaves them out has the units themselves in its keys.
    massive: dict[str, list[dict[str, Any]]] | None = None
    # Whose its neurons are, in a mixture of experts: {"count": experts of a layer, "neurons": of one of them,
    # "chosen": experts of a token, "layers": those that have experts, "widths": neurons of every layer}.
    # Follows from the weights.
    experts: dict[str, Any] | None = None
    # The multimodal family whose language model it is, if it is one: the rest was not loaded.
    text_of: str | None = None
    # Of a quantised checkpoint: {"format", "packed": whether its weights are so in memory, "gradients":
    # whether these go through them}.
    quantised: dict[str, Any] | None = None
    # Site -> the layers that do not have it, where others do (hybrids). Follows from the weights.
    absent: dict[str, list[int]] | None = None

    def write(self, path: str | Path, metadata: dict[str, Any]) -> None:
        """Write the card, with what measured it as ``metadata``."""
        facts = asdict(self)
        for name in _LATER:  # as it was written before
            if facts[name] is None:
                del facts[name]
        write_json(path, {**facts, "metadata": metadata})

    @classmethod
    def read(cls, path: str | Path) -> ModelCard:
        """Read what ``write`` wrote."""
        return read_record(path, cls, optional=("logits", *_LATER))

    @property
    def has_gradients(self) -> bool:
        """Whether the model's logits can be differentiated."""
        return self.quantised is None or bool(self.quantised["gradients"])

    def units(self, component: str) -> int:
        """How many units of a circuit's component, or of a level, the widest block has: places in masks."""
        parts = ALL_LEVELS[component].parts
        return sum(part.count(self.units_at(COMPONENTS[part.component])) for part in parts)

    @property
    def _n_experts(self) -> int:
        """Of a layer; 0 without any."""
        return 0 if self.experts is None else int(self.experts["count"])

    def width(self, site: str) -> int:
        """The width of a site's activations."""
        heads = self.heads_per_layer * self.head_dim
        return PLACES[site].units(
            hidden=self.hidden_size,
            neurons=self.neurons_per_layer,
            heads=heads,
            experts=self._n_experts,
        )

    def experts_at(self, site: str) -> ExpertOf | None:
        """Which expert a unit of a site is of, or is; None where there are no experts."""
        own = self.experts
        if own is None or site not in (COMPONENTS["neurons"], *OF_MIXTURES):
            return None
        size = int(own["neurons"]) if site == COMPONENTS["neurons"] else 1

        def of(layer: int, unit: int) -> int | None:
            return unit // size if layer in own["layers"] and unit < own["count"] * size else None

        return of

    def widths_at(self, site: str) -> list[int] | None:
        """The units of a site that each layer has; None where all have as many."""
        own, absent = self.experts, (self.absent or {}).get(site, ())
        if own is not None and site == COMPONENTS["neurons"]:
            return own.get("widths")
        if own is not None and site == COMPONENTS["experts"]:
            # The one MLP of a layer without experts counts as one.
            units = [own["count"] if n in own["layers"] else 1 for n in range(self.n_layers)]
        elif absent:
            units = [self.units_at(site)] * self.n_layers
        else:
            return None
        return [0 if layer in absent else count for layer, count in enumerate(units)]

    def units_at(self, site: str) -> int:
        """How many units of a site the widest block has: heads, experts, else all its dimensions."""
        own = {HEADS: self.heads_per_layer, EXPERTS: self._n_experts}
        return own.get(PLACES[site].width, self.width(site))

    def massive_at(self, site: str) -> list[dict[str, Any]]:
        """The massive activations of a site."""
        if self.massive is None or site not in self.massive:
            what = f"the check of {self.name} did not look for massive activations of {site}"
            raise UserError.at(f"results/{self.name}/model.json", what, REBUILD)
        return self.massive[site]

    def massive_units(self, site: str) -> tuple[tuple[int, int], ...]:
        """(layer, unit) of each."""
        return tuple((one["layer"], one["unit"]) for one in self.massive_at(site))

    def left_out(self, site: str, massive: str) -> tuple[tuple[int, int], ...]:
        """The same, where a section of the config says that they are not kept; else none."""
        return () if massive == KEEP else self.massive_units(site)

    def origin(self, site: str) -> Origin:
        """What masks of its units at a site say of them."""
        return Origin.of(self.name, self.weights_hash, site)

    def identity(self) -> dict[str, Any]:
        """What makes two runs of a model the same model: part of every store key."""
        return {
            "weights": self.weights_hash,
            "tokenizer": self.tokenizer_hash,
            "dtype": self.dtype,
            # The weights hash covers code that comes with a checkpoint; this says whether it ran.
            "remote_code": self.trust_remote_code,
            **({"unpacked": True} if self.quantised and not self.quantised["packed"] else {}),
        }

    def scoring_identity(self) -> dict[str, Any]:
        """The same for numbers that are read off its logits."""
        wide = self.logits not in (None, self.dtype)
        misread = bool(_MISREAD.intersection(self.architecture.get("model_types", ())))
        return {
            **self.identity(),
            **({"logits": self.logits} if wide else {}),
            **({"caches": "attention"} if misread else {}),
        }


def card_method(path: str | Path) -> int:
    """The version of the self-check that a model's card is to be of, by the card there is now.

    Version 2 came with float32 logits of bf16 and fp16 models. Other models' cards stand as they are.
    """
    try:
        card = read_json(path)
    except UserError:  # none, or a damaged one
        return METHODS["check"]
    earlier = METHODS["check"] == 2 and "dtype" in card and "logits" not in card
    return 1 if earlier and card["dtype"] not in NARROW else METHODS["check"]
