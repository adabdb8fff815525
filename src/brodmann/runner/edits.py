"""Edits of a running model: chosen units inhibited, amplified, or held at given values, at every position.

    with edited(model, [(0, 17), (12, 301)], "multiply", 1.02, site="mlp_output"):
        model.hf.generate(**inputs)

They hold for everything the model does in the block, whether through transformers or nnsight, with a KV cache
or without (a trace of an edited module itself shows what the module put out before the edit). Edits may be
nested: the inner one works on what the outer one has left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import torch

from brodmann.errors import UserError, did_you_mean
from brodmann.models.module_tree import module_at
from brodmann.models.taps import shown
from brodmann.runner.ranks.marked import entered
from brodmann.runner.ranks.share import Share
from brodmann.sites import INPUT, PLACES

if TYPE_CHECKING:
    import pandas as pd

    from brodmann.models.load import LoadedModel


class Sited(Protocol):
    """Units that say at which site they are, as those of an atlas do."""

    site: str

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(layer, unit) of each."""


if TYPE_CHECKING:
    Units: TypeAlias = Iterable[tuple[int, int]] | np.ndarray | torch.Tensor | pd.DataFrame | Sited

# inhibit: set to 0; multiply, add: amplify by a factor, by a value; hold: set to a value.
HOWS = ("inhibit", "multiply", "add", "hold")


@contextmanager
def edited(
    model: LoadedModel,
    units: Units,
    how: str = "inhibit",
    amount: float | np.ndarray | None = None,
    *,
    site: str = "mlp_output",
) -> Iterator[None]:
    """Edit ``units`` of ``site`` within the block.

    ``units``: (layer, unit) pairs; a mask [layers, units] of truth values; a table of a study's masks, or a
    selection of its atlas, whose own site must be this one. Heads are edited in all their
    dimensions. ``amount``: one number for all of them, or an array [layers, units] or [layers, dimensions] of
    which the edited units' values are taken; none for inhibition.
    """
    if how not in HOWS:
        raise UserError.at("how", f"no way of editing '{how}'", did_you_mean(how, HOWS))
    if (amount is None) != (how == "inhibit"):
        what = "takes no amount" if how == "inhibit" else "needs an amount"
        raise UserError.at("amount", f"'{how}' {what}")
    layers = units_by_layer(model, units, site)
    shape, size = (model.n_layers, model.units(site)), model.unit_size(site)
    amounts = np.asarray(0.0 if amount is None else amount, dtype=np.float64)
    wide = amounts.shape == (shape[0], shape[1] * size)
    if amounts.ndim and amounts.shape != shape and not wide:
        raise UserError.at("amount", f"is {list(amounts.shape)}, {model.name} has {list(shape)}")
    changes = {}
    for layer, own in layers.items():
        places = np.add.outer(np.array(own) * size, np.arange(size)).ravel()
        if wide:
            changes[layer] = places, amounts[layer, places]
            continue
        values = amounts[layer, own] if amounts.ndim else np.full(len(own), float(amounts))
        changes[layer] = places, np.repeat(values, size)
    with entered(_changed, model, site, how, changes):
        yield


def units_by_layer(model: LoadedModel, units: Units, site: str) -> dict[int, list[int]]:
    """The units of each layer that has any, in order; an error if the model has no such unit."""
    if site not in PLACES:
        raise UserError.at("site", f"no site '{site}'", did_you_mean(site, PLACES))
    model.require(site)
    shape = (model.n_layers, model.units(site))
    layers: dict[int, set[int]] = defaultdict(set)
    for layer, unit in _pairs(model, units, site, shape):
        if not (0 <= layer < shape[0] and 0 <= unit < shape[1]):
            raise UserError.at(
                "units",
                f"{model.name} has no unit {unit} in layer {layer}",
                f"it has {shape[0]} layers of {shape[1]} units; is the mask of another model?",
            )
        layers[layer].add(unit)
    return {layer: sorted(own) for layer, own in sorted(layers.items())}


def _pairs(
    model: LoadedModel, units: Units, site: str, shape: tuple[int, int]
) -> Iterable[tuple[int, int]]:
    """(layer, unit) of each, whatever says so. Numbers of units mean other units at another site."""
    given: Any = units.numpy(force=True) if isinstance(units, torch.Tensor) else units
    if (said := getattr(given, "site", None)) is not None:
        sites = sorted({said} if isinstance(said, str) else {*said})
        if sites and sites != [site]:
            what = f"are of the site {', '.join(sites)}, not of {site}"
            raise UserError.at("units", what, f"give site='{sites[0]}'")
    if isinstance(given, np.ndarray) and given.dtype == bool:
        if given.shape != shape:
            what = f"the mask is {list(given.shape)}, {model.name} has {list(shape)} units"
            raise UserError.at("units", what)
        given = np.argwhere(given)
    elif hasattr(given, "columns"):
        if "model" in given and given["model"].nunique() > 1:
            raise UserError.at("units", "are of several models", "choose the rows of one")
        given = zip(given["layer"], given["unit"], strict=True)
    elif hasattr(given, "pairs"):
        given = given.pairs
    try:
        return [(int(layer), int(unit)) for layer, unit in given]
    except (TypeError, ValueError):
        what = "are neither (layer, unit) pairs nor a mask of truth values"
        raise UserError.at("units", what) from None


@contextmanager
def _changed(
    model: LoadedModel, site: str, how: str, changes: Mapping[int, tuple[np.ndarray, np.ndarray]]
) -> Iterator[None]:
    """``changes``: layer -> (dimensions, amounts) of the site."""
    with ExitStack() as hooks:
        hooks.enter_context(shown(model, (site,)))
        for layer, (places, amounts) in changes.items():
            if not model.has(site, layer):
                continue
            module = module_at(model.hf, model.path(site, layer))
            there = places < (width := model.own_width(site, layer))
            edit = _Change(how, width, places[there], amounts[there])
            hooks.callback(_hook(module, edit, before=PLACES[site].side == INPUT).remove)
        yield


class _Change:
    """Changes some dimensions of a site's values [..., width], alike at every position."""

    def __init__(self, how: str, width: int, places: np.ndarray, amounts: np.ndarray) -> None:
        self.how, self.width = how, width
        self._given = torch.from_numpy(places), torch.from_numpy(amounts)
        self._on_device: dict[tuple[Any, ...], tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        # Units are the last dimension in every layout.
        key = (value.device, value.dtype, value.shape[-1])
        if key not in self._on_device:
            # A factor like 1.02 is rounded once, to what the products are computed in.
            dtype = torch.float32 if value.dtype.itemsize < 4 else value.dtype
            place, given = self._given
            if not (share := Share.of(self.width, value)).all:
                which, place = share.own(place)
                given = given[which]
            self._on_device[key] = place.to(value.device), given.to(dtype).to(value.device)
        index, new = self._on_device[key]
        # A copy: the module may hand on a view of something that others read.
        value = value.clone()
        if self.how == "multiply":
            value[..., index] = (value[..., index] * new).to(value.dtype)
        elif self.how == "add":
            value[..., index] = (value[..., index] + new).to(value.dtype)
        else:
            value[..., index] = new.to(value.dtype)
        return value


def _hook(module: Any, edit: Callable[[torch.Tensor], torch.Tensor], *, before: bool) -> Any:
    def on_input(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (edit(inputs[0]), *inputs[1:])

    def on_output(_: Any, __: Any, output: Any) -> Any:
        if isinstance(output, tuple | list):
            return (edit(output[0]), *output[1:])
        return edit(output)

    if before:
        return module.register_forward_pre_hook(on_input)
    return module.register_forward_hook(on_output)
