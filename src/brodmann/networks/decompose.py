"""From signals to networks: CanICA, FastICA and dictionary learning behind one interface.

- *canica*: reduce to k dimensions by SVD, then spatial ICA (cube): the sources over units are the maps.
- *fastica*: temporal ICA (logcosh) of the k whitened scores over tokens: the mixing columns are the maps.
- *dictionary*: sparse maps over the reduced signals, begun with CanICA's.

A map's sign is that of its peak, but for FastICA's positive side. Explained variance of a component is the
share of the signals' sum of squares in its least-squares reconstruction of rank one: given the map (canica,
dictionary), or the source (fastica).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from brodmann.config.networks import BOTH, keeps_signs
from brodmann.errors import UserError, did_you_mean
from brodmann.networks.dictionary import learn
from brodmann.networks.ica import Runs, fast_ica, starts, whiten
from brodmann.networks.maps import IDENTIFIED, THRESHOLD, Networks, is_identified
from brodmann.networks.reduction import Reduced, reduce
from brodmann.networks.signals import Layout, Signals
from brodmann.networks.standardise import Standardised

log = logging.getLogger(__name__)

METHODS = ("canica", "fastica", "dictionary")
# A map whose SD over units is no more than this share of its peak is even, but for rounding to float32.
_EVEN = 1e-6


@dataclass(frozen=True)
class _Found:
    """Components of one window: all float64 [k, columns], k rows."""

    maps: torch.Tensor
    filters: torch.Tensor
    squares: torch.Tensor  # [k], sum of squares that each explains
    stability: np.ndarray
    runs: Runs


def decompose(
    signals: Signals,
    k: int,
    *,
    method: str = "canica",
    scope: str = "all",
    window: int = 4,
    restarts: int = 10,
    seed: int = 0,
    zscore: bool = True,
    row_norm: bool = False,
    threshold: float = THRESHOLD,
    side: str = BOTH,
    device: torch.device | str = "cpu",
    reduction: str | None = None,
    quiet: bool = False,
    may_be_none: bool = False,
) -> Networks:
    """At most ``k`` networks of the signals (of each window of layers, if ``scope`` is not all).

    A window in which no unit varies, or (but for fastica) all units do the same, has none. If that is so
    everywhere it is an error, unless they ``may_be_none``.

    ``reduction``: gram | krylov, chosen by size if left out. ``quiet`` notes missing convergence in the facts
    only, not in the log.
    """
    if method not in METHODS:
        raise UserError.at(
            "networks.method", f"no method '{method}'", did_you_mean(method, METHODS)
        )
    layout = signals.layout
    parts: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    mean, sd = np.zeros(layout.n_columns), np.zeros(layout.n_columns)
    for columns in layout.windows(scope, window):
        z = Standardised(signals, columns, zscore=zscore, row_norm=row_norm, device=device)
        mean[columns], sd[columns] = z.mean.cpu().numpy(), z.sd.cpu().numpy()
        if not z.total > 0:
            parts.append(_nothing(layout))
            facts.append(_facts_of_nothing(z))
            continue
        reduced = reduce(z, min(k, z.n_tokens - 1), seed, reduction)
        found = _METHODS[method](z, reduced, restarts, seed)
        if found is None:
            parts.append(_nothing(layout))
            facts.append(_facts_of_nothing(z))
            continue
        parts.append(_finish(z, found, columns, layout, not keeps_signs(method, side)))
        facts.append(_facts(z, reduced, found, quiet))
    if not any(len(part["maps"]) for part in parts) and not may_be_none:
        raise UserError.at(
            "signals",
            "no unit varies over the tokens, or all units do the same",
            "give more, or longer, texts",
        )
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return Networks(
        **joined,
        mean=layout.place(mean),
        sd=layout.place(sd),
        threshold=threshold,
        side=side,
        facts={
            "method": method,
            "scope": scope,
            "zscore": zscore,
            "n_tokens": signals.n_tokens,
            "n_columns": layout.n_columns,
            "layers": list(layout.layers),
            "windows": facts,
        },
    )


def _canica(z: Standardised, reduced: Reduced, restarts: int, seed: int) -> _Found | None:
    white = whiten(reduced.vectors.T)
    if not len(white.signals):  # one map, the same at every unit
        return None
    runs = fast_ica(white.signals, "cube", starts(reduced.scores @ white.axes, restarts, seed))
    maps = runs.rotations[runs.best] @ white.signals
    # The maps are uncorrelated: their least-squares coefficients are plain products.
    filters = maps / maps.square().sum(1, keepdim=True)
    return _Found(maps, filters, _map_squares(z, maps), runs.stability, runs)


def _fastica(z: Standardised, reduced: Reduced, restarts: int, seed: int) -> _Found:
    scores = reduced.scores.T * reduced.values[:, None]
    white = whiten(scores)
    runs = fast_ica(white.signals, "logcosh", starts(reduced.scores @ white.axes, restarts, seed))
    unmixing = runs.rotations[runs.best] @ white.matrix  # [k, k], from scores to sources
    sources = runs.rotations[runs.best] @ white.signals
    # Least squares of Z on the sources, which are uncorrelated: V S U^T s / (s^T s).
    maps = (sources @ scores.T @ reduced.vectors.T) / sources.square().sum(1, keepdim=True)
    squares = sources.square().sum(1) * maps.square().sum(1)
    return _Found(maps, unmixing @ reduced.vectors.T, squares, runs.stability, runs)


def _dictionary(z: Standardised, reduced: Reduced, restarts: int, seed: int) -> _Found | None:
    started = _canica(z, reduced, restarts, seed)
    if started is None:
        return None
    signals = reduced.vectors.T * reduced.values[:, None]  # [k, columns]
    maps = torch.from_numpy(learn(signals.cpu().numpy(), started.maps.cpu().numpy(), seed))
    maps = maps.to(z.device)
    filters = torch.linalg.pinv(maps).T
    return _Found(maps, filters, _map_squares(z, maps), started.stability, started.runs)


_METHODS = {"canica": _canica, "fastica": _fastica, "dictionary": _dictionary}


def _map_squares(z: Standardised, maps: torch.Tensor) -> torch.Tensor:
    """|Z m|^2 / |m|^2: what remains of Z's sum of squares in its best reconstruction along each map."""
    lengths = maps.square().sum(1)
    return z.product(maps.T).square().sum(0) / torch.where(lengths > 0, lengths, 1.0)


def _finish(
    z: Standardised, found: _Found, columns: slice, layout: Any, flip: bool
) -> dict[str, np.ndarray]:
    """Order, z-score and sign the components, and put them at their units."""
    order = torch.argsort(found.squares, descending=True, stable=True)
    maps, filters = found.maps[order], found.filters[order]
    spread = maps.std(1, correction=0, keepdim=True)
    # A map that is the same at every unit has no network in it: what centring leaves of it is rounding.
    even = spread <= _EVEN * maps.abs().amax(1, keepdim=True)
    maps = torch.where(
        even, 0.0, (maps - maps.mean(1, keepdim=True)) / torch.where(even, 1.0, spread)
    )
    if flip:
        sign = torch.where(-maps.amin(1) > maps.amax(1), -1.0, 1.0).double()[:, None]
        maps, filters = maps * sign, filters * sign
    return {
        "maps": layout.place(maps.cpu().numpy(), columns),
        "filters": layout.place(filters.cpu().numpy(), columns),
        "explained": (found.squares[order] / z.total).cpu().numpy(),
        "stability": found.stability[order.cpu().numpy()],
    }


def _nothing(layout: Layout) -> dict[str, np.ndarray]:
    none = np.zeros((0, layout.n_layers, layout.width))
    return {"maps": none, "filters": none, "explained": np.zeros(0), "stability": np.zeros(0)}


def _facts_of_nothing(z: Standardised) -> dict[str, Any]:
    return {
        "components": 0,
        "constant_units": int(z.constant.sum()),
        "singular_values": [],
        "converged": [],
        "iterations": [],
    }


def _facts(z: Standardised, reduced: Reduced, found: _Found, quiet: bool) -> dict[str, Any]:
    runs = found.runs
    missed = len(runs.converged) - sum(runs.converged)
    if missed and not quiet:
        log.warning(
            "ICA: %d of %d starts did not converge within %d iterations",
            *(missed, len(runs.converged), max(runs.iterations)),
        )
    loose = len(found.stability) - int(is_identified(found.stability).sum())
    if loose and not quiet and len(runs.converged) > 1:
        log.warning(
            "ICA: %d of %d networks depend on the start (stability below %g): read them with care",
            *(loose, len(found.stability), IDENTIFIED),
        )
    return {
        "reduction": reduced.how,
        "residual": reduced.residual,
        "passes": z.passes,
        "components": len(found.maps),
        "row_norm": z.row_norm,
        "constant_units": int(z.constant.sum()),
        "singular_values": [round(value, 6) for value in reduced.values.tolist()],
        "converged": list(runs.converged),
        "iterations": list(runs.iterations),
        "best": runs.best,
        "best_converged": runs.converged[runs.best],
    }
