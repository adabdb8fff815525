"""What a query does inside one forward pass: it edits, watches and reads sites, scores and differentiates.

Common to both ways of running trees (``packed``, ``unrolled``), which only differ in where nodes lie.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from brodmann.models.taps import shown
from brodmann.runner.queries import (
    EMBEDDINGS,
    FEATURES,
    ROUTES,
    Answer,
    Edit,
    Outside,
    Place,
    Query,
    Read,
)
from brodmann.runner.ranks.share import Share
from brodmann.sites import PLACES

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel, UnitSite
    from brodmann.runner.trees import Layout

_ORDER = [EMBEDDINGS, *PLACES, FEATURES]
# Which experts compute is known before they do.
_ORDER.insert(_ORDER.index("mlp_hidden"), ROUTES)
# Nodes whose values are summed at once: texts that share a beginning name its nodes again and again.
_SUMMED = 4096


class Taken:
    """One query on its way through the model; ``layout`` says where its nodes lie at every site."""

    def __init__(self, query: Query, layout: Layout) -> None:
        self.query, self.layout = query, layout
        self.scored, self.which = np.unique(
            np.asarray(query.scores.nodes, dtype=np.int64), return_inverse=True
        )
        self._edits: dict[Place, list[Edit | Outside]] = {}
        for edit in query.edits:
            self._edits.setdefault((edit.site, edit.layer), []).append(edit)
        self._reads: dict[Place, list[int]] = {}
        for number, read in enumerate(query.reads):
            for layer in read.layers:
                self._reads.setdefault((read.site, layer), []).append(number)
        self._watches = set(() if query.gradient is None else query.gradient.places)
        self._watched: dict[Place, torch.Tensor] = {}
        self._shares: dict[Place, Share] = {}
        self._absent: set[Place] = set()
        self._widths: dict[str, int] = {}
        self._metric: torch.Tensor | None = None
        self._found: deque[tuple[Any, torch.device, tuple[torch.Tensor, torch.Tensor]]] = deque(
            maxlen=4
        )
        self.answer = Answer(torch.zeros(0, dtype=torch.float64), [{} for _ in query.reads])

    def sites(self, model: LoadedModel) -> list[tuple[Place, UnitSite]]:
        """All sites that are touched, in the order in which the model runs them."""
        places = self._edits.keys() | self._reads.keys() | self._watches
        self._absent = {place for place in places if not model.has(*place)}
        self._fill_absent(model)
        order = sorted(places - self._absent, key=lambda place: (place[1], _ORDER.index(place[0])))
        more = {FEATURES: model.features, EMBEDDINGS: model.embeddings}
        known = {name: model.hidden_size for name in more}
        if model.experts is not None:
            known[ROUTES] = model.experts.count
        self._widths = {
            site: known[site] if site in known else model.width(site) for site, _ in order
        }

        def found(site: str, layer: int) -> UnitSite:
            if site == ROUTES:
                return model.routes(layer)
            return more[site]() if site in more else model.module(site, layer)

        return [(place, found(*place)) for place in order]

    def _fill_absent(self, model: LoadedModel) -> None:
        """What is read and watched where a layer does not have the site: 0."""
        for place in self._absent:
            site, layer = place
            for number in self._reads.get(place, ()):
                read = self.query.reads[number]
                width = model.width(site) if read.units is None else len(read.units[layer])
                dtype = model.dtype if read.rows is None else torch.float64
                size = len(read.nodes) if read.rows is None else read.n_rows
                self.answer.reads[number][layer] = torch.zeros(size, width, dtype=dtype)
            if place in self._watches:
                assert self.query.gradient is not None
                none = torch.zeros(len(self.query.gradient.nodes), model.width(site))
                self.answer.values[place], self.answer.gradients[place] = none, none.clone()

    def shown(self, model: LoadedModel) -> AbstractContextManager[None]:
        """Within it, what is touched of experts is there to be touched."""
        sites = self.query.sites
        return shown(model, sites, holds=self.query.holds_routers, routes=ROUTES in sites)

    def at(self, nodes: Any, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """(lanes, positions) of nodes; the last few are kept, as layer after layer asks for the same."""
        for known, there, found in self._found:
            if known is nodes and there == device:
                return found
        numbers = np.asarray(nodes, dtype=np.int64)
        places = self.layout.lane[numbers], self.layout.position[numbers]
        lane, position = (torch.from_numpy(values).to(device) for values in places)
        self._found.append((nodes, device, (lane, position)))
        return lane, position

    def touch(self, place: Place, site: UnitSite) -> None:
        """Within a trace: edit a site, then watch it, then read it."""
        value = site.get()
        share = self._shares[place] = Share.of(self._widths[place[0]], value)
        edits, watched = self._edits.get(place, ()), place in self._watches
        if edits:
            value = value.clone()
            for edit in edits:
                if isinstance(edit, Outside):
                    self._give_outside(value, edit, share)
                    continue
                own = _of_share(edit, share)
                given = own.values.to(value.device, value.dtype)
                at: tuple[torch.Tensor, ...] = self.at(own.nodes, value.device)
                if own.dimensions is not None:
                    at = (*at, own.dimensions.to(value.device))
                value[at] = given
        if watched:
            if not value.requires_grad:
                value = value.detach().requires_grad_(True)
            self._watched[place] = value
        if edits or watched:
            # A clone, as some models change an output in place, which a leaf does not allow.
            site.set(value.clone() if watched and site.side == "output" else value)
        for number in self._reads.get(place, ()):
            read = self.query.reads[number]
            if not share.all:  # which units are read is told when they are together
                read = replace(read, units=None)
            self.answer.reads[number][place[1]] = self._read(value.detach(), read, place[1])

    def _give_outside(self, value: torch.Tensor, edit: Outside, share: Share) -> None:
        """Change ``value`` at all dimensions but those that are kept."""
        here = slice(share.first, share.first + share.here)
        at, device = self.at(edit.nodes, value.device), value.device
        given = edit.values[:, here].to(device, value.dtype)[edit.lines.to(device)]
        kept = edit.kept[:, here].to(device)[edit.sets.to(device)]
        value[at] = torch.where(kept, value[at], given)

    def put_together(self) -> None:
        """After the run: what each rank of a shared model has found of its own units."""
        for read, found in zip(self.query.reads, self.answer.reads, strict=True):
            for layer, value in found.items():
                if (read.site, layer) in self._absent:
                    continue
                share = self._shares[read.site, layer]
                if share.all:
                    continue
                found[layer] = whole = share.whole(value)
                if read.units is not None:
                    units = torch.as_tensor(read.units[layer], device=whole.device)
                    found[layer] = whole[:, units]
        for kept in (self.answer.values, self.answer.gradients):
            for place, value in kept.items():
                if place in self._absent:
                    continue
                kept[place] = self._shares[place].whole(value)

    def _read(self, value: torch.Tensor, read: Read, layer: int) -> torch.Tensor:
        """What a read keeps of a site's value: a copy, as some models go on to change it in place."""

        def of(nodes: Sequence[int]) -> torch.Tensor:
            own = value[self.at(nodes, value.device)]
            if read.units is None:
                return own
            return own[:, torch.as_tensor(read.units[layer], device=value.device)]

        if read.rows is None:
            return of(read.nodes)
        # Apple's devices have no float64.
        device = torch.device("cpu") if value.device.type == "mps" else value.device
        rows = torch.tensor(read.rows, dtype=torch.long, device=device)
        weights = None
        if read.weights is not None:
            weights = torch.tensor(read.weights, dtype=torch.float64, device=device)[:, None]
        total: torch.Tensor | None = None
        for start in range(0, len(read.nodes), _SUMMED):
            some = slice(start, start + _SUMMED)
            wide = of(read.nodes[some]).to(device).double()
            if read.absolute:
                wide = wide.abs()
            if weights is not None:
                wide *= weights[some]
            if total is None:
                total = wide.new_zeros(read.n_rows, wide.shape[1])
            total.index_add_(0, rows[some], wide)
        return of(()).double() if total is None else total

    def score(self, logits: torch.Tensor) -> None:
        """Log-probabilities off the logits [scored nodes, vocabulary]."""
        values = log_probabilities(logits, self.which, self.query.scores.tokens)
        if self.query.gradient is not None:
            signs = torch.tensor(self.query.gradient.signs, device=values.device)
            self._metric = (values * signs).sum()
        self.answer.scores = values.detach().double().cpu()

    def differentiate(self) -> None:
        """The metric with respect to what was watched."""
        asked = self.query.gradient
        if asked is None or self._metric is None:
            return
        places = [place for place in asked.places if place not in self._absent]
        if not places:
            return
        found = torch.autograd.grad(self._metric, [self._watched[place] for place in places])
        for place, gradient in zip(places, found, strict=True):
            at = self.at(asked.nodes, gradient.device)
            self.answer.values[place] = self._watched[place].detach()[at].float()
            self.answer.gradients[place] = gradient[at].float()


def _of_share(edit: Edit, share: Share) -> Edit:
    """What a rank does of an edit, within its share."""
    if share.all:
        return edit
    if edit.dimensions is None:
        own = slice(share.first, share.first + share.here)
        return replace(edit, values=edit.values[:, own])
    which, dimensions = share.own(edit.dimensions)
    nodes, values = (part[which.to(part.device)] for part in (edit.nodes, edit.values))
    return replace(edit, nodes=nodes, dimensions=dimensions, values=values)


def log_probabilities(
    logits: torch.Tensor, which: np.ndarray, tokens: Sequence[int]
) -> torch.Tensor:
    """float32 (or float64) [scores]: of ``tokens[i]`` under logits [nodes, vocabulary] of ``which[i]``."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    rows = torch.from_numpy(which).to(logits.device)
    columns = torch.tensor(tokens, dtype=torch.long, device=logits.device)
    return logits[rows, columns] - logits.logsumexp(-1)[rows]
