"""Prove on the running model that its units are where the architecture table says.

Two forward passes of eight tokens: a clean one, and one batch whose rows are edited, each at one
site of the first, a middle or the last layer, at one unit and one position. The edits must do what
the site's definition predicts:

- a *head unit* or *MLP neuron* moves the attention's or MLP's output (before any norm that follows)
  by the edit times the unit's write vector;
- an edit of the *MLP output* or *attention output* moves the block's output by just this edit, with
  the MLP's answer to a changed attention held fixed: it is what is added to the residual stream;
- neither contribution carries the residual stream along;
- the *block output* is what the next block reads;
- every edit changes logits at its position or later, and none before it.

A site that the study does not use may be missing, or fail: it is left out of what was proved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import nnsight
import torch

from brodmann.errors import Problem, UserError
from brodmann.methods import METHODS
from brodmann.models.experts import without_experts
from brodmann.models.families import BATCH_FIRST, SEQUENCE_FIRST
from brodmann.models.inspection import beside_experts, experts_of, mixture_of_experts
from brodmann.models.load import LoadedModel, UnitSite, envoy_at
from brodmann.models.module_tree import find_module
from brodmann.models.placement import compute_device, resident
from brodmann.models.required_sites import Unsupported
from brodmann.models.taps import shown
from brodmann.models.wanted import EVERY_SITE, Need, refusals
from brodmann.sites import NAMED, OF_MIXTURES, PLACES, SITES, WRITES_TO

SELF_CHECK_VERSION = METHODS["check"]

TEXT = "The old map of the city shows nine bridges, and the new one shows eleven."
N_TOKENS = 8
POSITION = 3  # the edited one: some positions before it, some after
WRITTEN_BY = {target: units for units, target in WRITES_TO.items()}
# With what experts add: sites of mixtures are proved where a study asks for them.
_WRITES = {name: site.writes_to for name, site in PLACES.items() if site.writes_to}


@dataclass(frozen=True)
class SelfCheck:
    """What a passed check measured. Dictionaries are by site, of those that were proved, over the layers."""

    version: int
    dtype: str
    layers: tuple[int, ...]
    widths: dict[str, int]
    effect: dict[
        str, float
    ]  # largest change of a logit at or after the edit, the least of the layers
    leak: dict[str, float]  # largest change of a logit before the edit
    deviation: dict[str, float]  # from the predicted change, as a share of what rounding may cause
    forward_passes: int


@dataclass(frozen=True)
class _Edit:
    """Row ``row`` of the edited batch: ``delta`` is added to one unit of a site."""

    row: int
    site: str
    layer: int
    unit: int
    delta: float


@dataclass
class _Site:
    """What the clean run showed of one site in one layer."""

    shape: tuple[int, ...]
    values: torch.Tensor | None  # [width] at the edited position, float64, on the host


@dataclass
class _Observation:
    """What an edited row showed at the edited position; vectors [width] are float64 on the host."""

    row: int
    applied: float = 0.0  # the edit, after rounding to the model's dtype
    edited: torch.Tensor | None = None  # where the edit must show
    intact: torch.Tensor | None = None  # the same in the unedited row
    addends: torch.Tensor | None = None  # magnitudes of the sum's terms: they bound rounding
    sent: dict[int, float] | None = (
        None  # of a router: the experts that are chosen, and their weights
    )
    before: float = 0.0  # largest change of a logit before the edited position
    after: float = 0.0  # ... at it or later

    def show(self, batch: torch.Tensor) -> None:
        """Keep this row and the unedited one of ``batch`` [rows, length, width]."""
        self.edited, self.intact = _host(batch[self.row, POSITION]), _host(batch[0, POSITION])


@dataclass
class _Clean:
    """The clean run; ``handed_on``: per layer, whether what comes next reads the block's output.

    ``routed``: layer with experts -> expert -> its weight at the edited position, of those that are chosen.
    """

    sites: dict[tuple[str, int], _Site]  # also "block_input"
    routed: dict[int, dict[int, float]]
    handed_on: dict[int, bool]
    finite: bool
    largest_logit: float


def self_check(model: LoadedModel, needs: Sequence[Need] = EVERY_SITE) -> SelfCheck:
    """Check the unit mapping of ``model``; a ``UserError`` names every key that is wrong.

    ``needs``: the sites that must be proved. Others are left out where they are missing or fail.
    """
    needed = {need.site for need in needs}
    unproved = dict(model.missing)
    if model.experts is None:
        unproved |= {site: without_experts(model.name, site) for site in OF_MIXTURES}
    if beside := beside_experts(model.hf, model.architecture):
        # The experts' neurons are proved by what these add.
        what = f"the MLPs are the sum of '{model.architecture.mlp_output}' and '{beside}', not one module"
        unproved["mlp_output"] = Unsupported(_key(model, "mlp_output"), what)
    keys = {_key(model, site): site for site in (*NAMED, *OF_MIXTURES)}
    while True:
        if "mlp_output" in unproved:
            # What the attention adds is told from the residual stream by what the MLP adds.
            why = replace(unproved["mlp_output"], where=_key(model, "attention_output"))
            unproved.setdefault("attention_output", why)
            for site in OF_MIXTURES:
                where = _key(model, site)
                unproved.setdefault(site, replace(unproved["mlp_output"], where=where))
        asked = (*SITES, *(site for site in OF_MIXTURES if site in needed))
        sites = tuple(site for site in PLACES if site in asked and site not in unproved)
        try:
            outcome = _prove(model, sites)
            break
        except UserError as error:
            failed = {keys[p.where]: p for p in error.problems if p.where in keys}
            if len(failed) < len(error.problems) or needed >= set(SITES):
                raise
            for site, problem in failed.items():
                # A site that failed before was only read as what units write to.
                unproved[WRITTEN_BY[site] if site in unproved else site] = problem
    _raise(refusals(needs, unproved, tuple(outcome.widths)))
    return outcome


def _prove(model: LoadedModel, sites: tuple[str, ...]) -> SelfCheck:
    """The check of ``sites``; a ``UserError`` names those that fail."""
    layers = _layers(model, sites)
    ids = _tokens(model)
    # What units write to is read for their sake, too.
    targets = {_WRITES[site] for site in sites if site in _WRITES} - set(model.missing)
    targets |= {"mlp_hidden"} if "router" in sites else set()  # where tokens are sent shows there
    read = tuple(site for site in PLACES if site in {*sites, *targets})
    clean = _run(model, ids, read, lambda: _clean_run(model, ids, layers, read))
    _raise(_shape_problems(model, clean, read))
    _raise(_sum_problems(model, clean, layers, sites))
    edits = _plan(model, layers, clean, sites)
    seen = _run(model, ids, read, lambda: _edited_run(model, ids, edits, read))
    # How far a change is from the predicted one, in units of what rounding may cause: below 1 is a pass.
    deviations = {edit: _deviation(model, edit, seen[edit.row], clean) for edit in edits}
    problems: dict[str, Problem] = {}
    for edit in edits:
        problem = _deviation_problem(model, edit, seen[edit.row], deviations[edit], clean)
        problem = problem or _effect_problem(model, edit, seen[edit.row], clean.largest_logit)
        if problem is not None:
            problems.setdefault(problem.where, problem)
    _raise(problems.values())

    def by_site(
        value: Callable[[_Edit], float], choose: Callable[[Any], float]
    ) -> dict[str, float]:
        return {site: choose([value(one) for one in edits if one.site == site]) for site in sites}

    return SelfCheck(
        version=SELF_CHECK_VERSION,
        dtype=str(model.dtype).removeprefix("torch."),
        layers=layers,
        widths={site: model.width(site) for site in sites},
        effect=by_site(lambda edit: seen[edit.row].after, min),
        leak=by_site(lambda edit: seen[edit.row].before, max),
        deviation=by_site(lambda edit: deviations[edit], max),
        forward_passes=2,
    )


def _layers(model: LoadedModel, sites: tuple[str, ...]) -> tuple[int, ...]:
    """The first, a middle and the last layer that has a site, of all sites."""
    found: set[int] = set()
    for site in {*sites, "block_output"}:
        having = _having(model, site)
        found |= {having[0], having[len(having) // 2], having[-1]}
    return tuple(sorted(found))


def _having(model: LoadedModel, *sites: str) -> list[int]:
    """The layers that have all of these sites."""
    return [
        layer for layer in range(model.n_layers) if all(model.has(site, layer) for site in sites)
    ]


# -- running --


def _tokens(model: LoadedModel) -> torch.Tensor:
    """Token ids [1, N_TOKENS] of an ordinary sentence."""
    ids = model.tokenizer(TEXT, add_special_tokens=False)["input_ids"][:N_TOKENS]
    # A tokenizer that swallows whole sentences still leaves something to look at.
    ids += [(7 * n + 11) % model.vocabulary_size for n in range(N_TOKENS - len(ids))]
    return torch.tensor([ids], dtype=torch.long)


def _run(
    model: LoadedModel, ids: torch.Tensor, sites: tuple[str, ...], run: Callable[[], Any]
) -> Any:
    """Run a trace; if a module of the mapping was not where the trace expected it, say which."""
    with shown(model, sites):
        try:
            with torch.no_grad():
                return run()
        except UserError:
            raise
        except Exception:
            _raise(_order_problems(model, ids, sites))
            raise


def _clean_run(
    model: LoadedModel, ids: torch.Tensor, layers: tuple[int, ...], read: tuple[str, ...]
) -> _Clean:
    final_norm = envoy_at(model.nn, model.architecture.final_norm)
    with model.nn.trace({"input_ids": ids}):
        sites = nnsight.save({})
        routed = nnsight.save({})
        handed_on = nnsight.save({})
        for layer in layers:
            block = model.module("block_output", layer)
            places = {"block_input": replace(block, side="input")}
            there = [site for site in read if model.has(site, layer)]
            places |= {site: model.module(site, layer) for site in there}
            for site, here in places.items():
                if site == "mlp_hidden" and (experts := _experts_at(model, layer)) is not None:
                    routed[layer] = _routed(experts.inputs)
                value = here.get()
                regular = value.ndim == 3 and value.shape[:2] == ids.shape
                at = _host(value[0, POSITION]) if regular else None
                sites[site, layer] = _Site(tuple(value.shape), at)
            put_out = block.get()
            last = layer == model.n_layers - 1
            reader = final_norm if last else model.module("block_output", layer + 1).envoy
            taken = replace(block, envoy=reader, side="input").get()
            handed_on[layer] = taken.shape == put_out.shape and torch.equal(
                taken.to(put_out.device), put_out
            )
        logits = model.nn.output.logits
        finite = nnsight.save(bool(torch.isfinite(logits).all()))
        largest = nnsight.save(float(logits.abs().max()))
    return _Clean(sites, routed, handed_on, finite, largest)


def _experts_at(model: LoadedModel, layer: int) -> Any | None:
    """nnsight's counterpart of a layer's experts; None where its neurons are not theirs."""
    if model.experts is None or not model.experts.has(layer):
        return None
    path = f"{model.architecture.blocks}.{layer}.{model.experts.paths[layer]}"
    return envoy_at(model.nn, path)


def _routed(inputs: Any, place: int = POSITION) -> dict[int, float]:
    """Expert -> weight of the token at a place, by what a module of experts is given: tokens, which experts
    each is sent to, and with which weights, in this order."""
    _, chosen, weights = (*inputs[0], *inputs[1].values())
    return dict(zip(chosen[place].tolist(), weights[place].tolist(), strict=True))


def _edited_run(
    model: LoadedModel, ids: torch.Tensor, edits: list[_Edit], read: tuple[str, ...]
) -> dict[int, _Observation]:
    """All edits as rows of one batch, below row 0, which stays as it is."""
    planned = {(edit.site, edit.layer): edit for edit in edits}
    with model.nn.trace({"input_ids": ids.repeat(1 + len(edits), 1)}):
        seen = nnsight.save({edit.row: _Observation(edit.row) for edit in edits})
        for layer in sorted({edit.layer for edit in edits}):
            added = 0.0
            for site in read:
                if not model.has(site, layer):
                    continue
                here = model.module(site, layer)
                if site == "mlp_hidden" and (weighed := planned.get(("router", layer))) is not None:
                    inputs, row = _experts_at(model, layer).inputs, weighed.row
                    seen[row].sent = _routed(inputs, row * ids.shape[1] + POSITION)
                written = _written_before_norm(model, here)
                value = here.get().clone()
                for units, target in _WRITES.items():
                    if target == site and (writer := planned.get((units, layer))) is not None:
                        seen[writer.row].show(value if written is None else written)
                whole = planned.get(("attention_output", layer))
                if site == "mlp_output" and whole is not None:
                    # Hold the MLP's answer to the changed attention fixed.
                    value[whole.row, POSITION] = value[0, POSITION]
                if (edit := planned.get((site, layer))) is not None:
                    old = float(value[edit.row, POSITION, edit.unit])
                    value[edit.row, POSITION, edit.unit] += edit.delta
                    seen[edit.row].applied = float(value[edit.row, POSITION, edit.unit]) - old
                if site in WRITTEN_BY:
                    added = added + _host(value[:, POSITION]).abs()
                if site == "block_output":
                    for contribution in WRITTEN_BY:
                        if (own := planned.get((contribution, layer))) is not None:
                            observation = seen[own.row]
                            observation.show(value)
                            observation.addends = added[observation.row] + added[0]
                here.set(value)
        logits = model.nn.output.logits.float()
        for edit in edits:
            change = (logits[edit.row] - logits[0]).abs()
            seen[edit.row].before = float(change[:POSITION].max())
            seen[edit.row].after = float(change[POSITION:].max())
    return seen


def _written_before_norm(model: LoadedModel, site: UnitSite) -> torch.Tensor | None:
    """Where units' writes arrive before the contribution is normalised; None if it is not."""
    units = WRITTEN_BY.get(site.name)
    if units is None or units in model.missing or not _normalised(model, site.name):
        return None
    return replace(site, side="input").get()


def _normalised(model: LoadedModel, contribution: str) -> bool:
    """Whether the contribution's module comes after that of its units, instead of around it."""
    layer = _having(model, contribution)[0]
    around, units = (model.path(site, layer) for site in (contribution, WRITTEN_BY[contribution]))
    return not f"{units}.".startswith(f"{around}.")


def _host(values: torch.Tensor) -> torch.Tensor:
    return values.detach().cpu().double()


# -- planning --


def _plan(
    model: LoadedModel, layers: tuple[int, ...], clean: _Clean, sites: tuple[str, ...]
) -> list[_Edit]:
    """One edit per site and layer, large enough to show in the logits whatever the dtype."""
    edits = []
    for layer in layers:
        stream = clean.sites["block_output", layer].values
        # The median: some dimensions of a residual stream are a thousand times the others.
        size = 1.5 * float(stream.abs().median()) or float(stream.abs().max()) or 1.0
        for site in sites:
            if not model.has(site, layer):
                continue
            values = clean.sites[site, layer].values
            if site == "router":  # no token goes where the logit is as low as this
                routed = clean.routed[layer]
                unit = max(routed, key=lambda expert: abs(routed[expert]))
                edits.append(_Edit(1 + len(edits), site, layer, unit, -1e4))
                continue
            if site in _WRITES:
                unit, strength = _strongest_writer(model, site, layer, clean)
                delta = size / strength if strength else 1.0
            else:
                # An ordinary dimension: a norm may all but switch off an extreme one.
                unit = int(values.abs().argsort()[len(values) // 2])
                delta = 16 * size
            delta = min(delta, 1e4)  # float16 ends at 65504
            away = -delta if values[unit] < 0 else delta
            edits.append(_Edit(1 + len(edits), site, layer, unit, away))
    return edits


def _strongest_writer(
    model: LoadedModel, site: str, layer: int, clean: _Clean
) -> tuple[int, float]:
    """Of a few units the one with the largest write vector, and that vector's r.m.s."""
    width, first = model.own_width(site, layer), 0
    if site == "mlp_hidden" and layer in clean.routed:
        # Of an expert that the token is sent to: the neurons of the others write nothing.
        routed, width = clean.routed[layer], model.experts.neurons
        first = width * max(routed, key=lambda expert: abs(routed[expert]))
    units = sorted(first + unit for unit in {width // 2, width // 3, width // 5, width - 1})
    probes = torch.zeros(1 + len(units), model.width(site))
    for row, unit in enumerate(units, start=1):
        probes[row, unit] = 1.0
    written = _project(model, site, layer, probes, clean)
    strengths = (written[1:] - written[0]).square().mean(-1).sqrt()
    best = int(strengths.argmax())
    return units[best], float(strengths[best])


def _project(
    model: LoadedModel, site: str, layer: int, inputs: torch.Tensor, clean: _Clean
) -> torch.Tensor:
    """What the projection that reads a site makes of ``inputs`` [rows, width]; float64 on the host.

    The module itself is asked, not its weights: they may be quantised, or offloaded. Experts have no such
    module: their products are made one by one, without their biases, which an edit does not change.
    """
    if site in OF_MIXTURES:  # a sum over experts
        return inputs.double().unflatten(1, (-1, model.unit_size(site))).sum(1)
    if site == "mlp_hidden" and layer in clean.routed:
        return _project_experts(model, layer, inputs, clean.routed[layer])
    module = find_module(model.hf, model.path(site, layer))
    with torch.no_grad():
        device = compute_device(module) or model.device
        inputs = inputs[:, : model.own_width(site, layer)]
        return _host(module(inputs[None].to(device, model.dtype)))[0]


def _project_experts(
    model: LoadedModel, layer: int, inputs: torch.Tensor, routed: dict[int, float]
) -> torch.Tensor:
    """Every chosen expert's down projection of its own neurons, times its weight."""
    own = model.experts
    path = f"{model.architecture.blocks}.{layer}.{own.paths[layer]}"
    written = torch.zeros(len(inputs), model.hidden_size, dtype=torch.float64)
    with resident(find_module(model.hf, path)) as module:
        for expert, weight in routed.items():
            down = _host(module.down_proj[expert])
            down = down if module.is_transposed else down.T
            weight = 1.0 if getattr(module, "scales_input", False) else weight
            neurons = inputs[:, expert * own.neurons :][:, : own.neurons].double()
            written += weight * (neurons @ down)
    return written


# -- judging --


def _deviation(model: LoadedModel, edit: _Edit, seen: _Observation, clean: _Clean) -> float:
    """How far a change is from the predicted one, in units of what rounding may cause: below 1 is a pass.

    Edits of the block output predict nothing here. An expert whose logit is as low as can be has no weight.
    """
    if edit.site == "block_output":
        return 0.0
    if edit.site == "router":
        assert seen.sent is not None
        return abs(seen.sent.get(edit.unit, 0.0)) / 1e-3
    return _distance(model, seen, *_prediction(model, edit, seen, clean))


def _prediction(
    model: LoadedModel, edit: _Edit, seen: _Observation, clean: _Clean
) -> tuple[torch.Tensor, torch.Tensor]:
    """The change that the site's definition predicts [width], and magnitudes of the terms of its sum."""
    if edit.site in _WRITES:
        probes = torch.zeros(2, model.width(edit.site))
        probes[1, edit.unit] = seen.applied
        resting, moved = _project(model, edit.site, edit.layer, probes, clean)
        return moved - resting, moved.abs() + resting.abs()
    predicted = torch.zeros(model.hidden_size, dtype=torch.float64)
    predicted[edit.unit] = seen.applied * model.residual_scale
    return predicted, seen.addends


def _distance(
    model: LoadedModel, seen: _Observation, predicted: torch.Tensor, addends: torch.Tensor
) -> float:
    magnitude = seen.edited.abs() + seen.intact.abs() + addends + predicted.square().mean().sqrt()
    allowed = _rounding(model) * magnitude
    error = (seen.edited - seen.intact - predicted).abs()
    return float((error / allowed.clamp_min(1e-300)).max())


def _factor(model: LoadedModel, edit: _Edit, seen: _Observation, clean: _Clean) -> float | None:
    """By how much a unit's write vector is multiplied on its way; None if that is not what happens."""
    predicted, addends = _prediction(model, edit, seen, clean)
    change = seen.edited - seen.intact
    factor = float(change @ predicted / (predicted @ predicted).clamp_min(1e-300))
    near = _distance(model, seen, factor * predicted, addends) <= 1
    return factor if near and factor else None


def _gated(predicted: torch.Tensor, seen: _Observation) -> bool:
    """Whether every dimension moves by some share of what is predicted, of the same sign (RWKV)."""
    change = seen.edited - seen.intact
    near = predicted.abs() > 1e-2 * predicted.abs().max()
    share = change[near] / predicted[near]
    return bool(((share > 0) & (share < 1)).all())


def _rounding(model: LoadedModel) -> float:
    """A relative error that a handful of operations in the model's dtype stays below."""
    # Norms and rotations of transformers compute in float32, in wider models, too.
    epsilon = max(torch.finfo(model.dtype).eps, torch.finfo(torch.float32).eps)
    if model.dtype == torch.float32 and torch.backends.cuda.matmul.allow_tf32:
        epsilon = 2.0**-10
    # Sums of many products are accumulated in float32 at least: only wide types feel their length.
    return epsilon * (4 if epsilon > 1e-5 else 64)


def _shape_problems(model: LoadedModel, clean: _Clean, read: tuple[str, ...]) -> list[Problem]:
    where, paths = f"models.{model.name}", model.architecture
    if all(found.shape[:2] == (N_TOKENS, 1) for found in clean.sites.values()):
        other = SEQUENCE_FIRST if paths.layout == BATCH_FIRST else BATCH_FIRST
        what, fix = f"activations are not {paths.layout}", f"leave it out, or set it to {other}"
        return [Problem(f"{where}.units.layout", what, fix)]
    problems: list[Problem] = []
    experts = experts_of(model.hf, paths)
    for site in read:
        expected = (1, N_TOKENS, model.width(site))
        wrong = [
            (layer, found.shape)
            for (name, layer), found in clean.sites.items()
            if name == site and found.shape != expected
        ]
        if not wrong:
            continue
        layer, shape = wrong[0]
        what = f"in layer {layer} the activations are {list(shape)}"
        what += f", expected are {list(expected)} ([batch, length, width])"
        key = _key(model, site)
        if experts and site == "mlp_hidden":
            problems.append(mixture_of_experts(key, experts))
        elif experts and site == "mlp_output":
            problems.append(Unsupported(key, f"{what}, as a mixture of experts gives them"))
        else:
            problems.append(Problem(key, what, "name another module"))
    if not clean.finite:
        fix = "float16 overflows in some models: use bfloat16 or float32"
        problems.append(Problem(f"{where}.dtype", "the model's logits are not finite numbers", fix))
    if lost := [layer for layer, handed_on in clean.handed_on.items() if not handed_on]:
        key = "final_norm" if lost == [model.n_layers - 1] else "blocks"
        what = f"what block {lost[0]} puts out is not what '{getattr(paths, key)}' reads next"
        fix = "name the list of blocks that hand the residual stream on, and the norm after them"
        problems.append(Problem(f"{where}.units.{key}", what, fix))
    return problems


def _sum_problems(
    model: LoadedModel, clean: _Clean, layers: tuple[int, ...], sites: tuple[str, ...]
) -> list[Problem]:
    """A contribution must not be the residual stream itself, which no edit would show."""
    if "mlp_output" not in sites:
        return []
    for layer in layers:
        if not model.has("mlp_output", layer):
            continue
        stream, mlp, out = (
            clean.sites[site, layer].values
            for site in ("block_input", "mlp_output", "block_output")
        )
        known = "attention_output" in sites and model.has("attention_output", layer)
        attention = clean.sites["attention_output", layer].values if known else 0 * mlp
        allowed = _rounding(model) * (stream.abs() + attention.abs() + mlp.abs() + out.abs())

        def adds_up(*terms: torch.Tensor, to: torch.Tensor = out, within: Any = allowed) -> bool:
            return bool(((sum(terms) - to).abs() <= within).all())

        scale = model.residual_scale
        if adds_up(stream, scale * attention, scale * mlp):
            continue
        for site, terms in (("mlp_output", (mlp,)), ("attention_output", (attention, mlp))):
            if adds_up(*terms):
                what = (
                    f"'{_path(model, site)}' puts out the residual stream, not only what is added"
                )
                what += f" to it (seen in layer {layer})"
                return [Problem(_key(model, site), what, "name the projection inside it")]
    return []


def _effect_problem(
    model: LoadedModel, edit: _Edit, seen: _Observation, largest_logit: float
) -> Problem | None:
    noise = 8 * _rounding(model) * largest_logit
    key = _key(model, edit.site)
    what = f"an edit of one unit in layer {edit.layer} at position {POSITION} "
    if seen.before > min(noise, seen.after / 4):
        what += f"changes logits before it by {seen.before:.3g} (from it on: {seen.after:.3g})"
        return Problem(key, what, "is it a causal model? else name another module")
    if not seen.after > 0:
        return Problem(key, f"{what}does not change any logit", "name another module")
    return None


def _deviation_problem(
    model: LoadedModel, edit: _Edit, seen: _Observation, deviation: float, clean: _Clean
) -> Problem | None:
    if deviation <= 1:
        return None
    key, paths = _key(model, edit.site), model.architecture
    if edit.site in OF_MIXTURES:
        what = {
            "experts": "what an expert adds does not move the output of the MLP",
            "router": "a logit of the router does not decide whether a token is sent to its expert",
        }[edit.site]
        return Unsupported(key, f"in layer {edit.layer} {what}")
    site = getattr(paths, edit.site)
    if edit.site in WRITES_TO:
        target = WRITES_TO[edit.site]
        if edit.site == "mlp_hidden" and (experts := experts_of(model.hf, paths)):
            return mixture_of_experts(key, experts)
        what = (
            f"in layer {edit.layer} an edit of one unit at the input of '{site}' does not move the "
        )
        what += f"output of '{getattr(paths, target)}' by its write vector"
        if (factor := _factor(model, edit, seen, clean)) is not None:
            more = f"but by {factor:.3g} times it, as the model multiplies what it writes"
            return Unsupported(key, f"{what}, {more}")
        if _gated(*_prediction(model, edit, seen, clean)[:1], seen):
            return Unsupported(key, f"{what}, but by what a gate lets through of it")
        fix = f"name the last projection before the residual stream, or set units.{target}"
        return Problem(key, what, fix)
    what = f"in layer {edit.layer} an edit of the output of '{site}' does not move the block's output by"
    what += " just this edit"
    block = find_module(model.hf, paths.blocks)[edit.layer]
    later = [name for name, _ in block.named_children() if name.startswith("per_layer")]
    if later:  # Gemma 4
        more = f"as the block adds more that is computed from it ('{later[0]}')"
        return Unsupported(key, f"{what}, {more}")
    if (factor := _factor(model, edit, seen, clean)) is not None:
        return Unsupported(key, f"{what}, but by {factor:.3g} times it, as the model multiplies it")
    if model.absent:  # OLMo's hybrids normalise after an attention, and before a recurrence
        return Unsupported(key, f"{what}, as blocks of different kinds add different things")
    fix = "name the module whose output is added to the residual stream (a norm after it, perhaps)"
    return Problem(key, what, fix)


def _order_problems(model: LoadedModel, ids: torch.Tensor, sites: tuple[str, ...]) -> list[Problem]:
    """Why a trace failed: the modules that never run, else modules that run in another order."""
    try:
        with torch.no_grad():
            model.hf(ids.to(model.device))
    except Exception:
        return []  # the model itself fails: not the mapping's fault
    if silent := [site for site in sites if not _runs(model, ids, site)]:
        what, fix = "does not run when the model does", "name another module"
        return [Problem(_key(model, s), f"'{_path(model, s)}' {what}", fix) for s in silent]
    for first, second in pairwise(sites):
        if _having(model, first, second) and not _runs(model, ids, first, second):
            what = f"runs before '{_path(model, first)}' (units.{first})"
            fix = "one of the two is not what its key says"
            return [Problem(_key(model, second), f"'{_path(model, second)}' {what}", fix)]
    path = model.architecture.final_norm
    block = model.module("block_output", model.n_layers - 1)
    last = replace(block, envoy=envoy_at(model.nn, path), side="input")
    if _runs(model, ids, "block_output", then=last):
        return []
    what, fix = (
        "does not run after the blocks",
        "name the norm that reads what the last block puts out",
    )
    return [Problem(f"models.{model.name}.units.final_norm", f"'{path}' {what}", fix)]


def _runs(model: LoadedModel, ids: torch.Tensor, *sites: str, then: UnitSite | None = None) -> bool:
    """Whether the modules of these sites run in the first block that has them, in this order, and ``then``
    after them."""
    layer = _having(model, *sites)[0]
    try:
        with torch.no_grad(), model.nn.trace({"input_ids": ids}):
            for site in sites:
                model.module(site, layer).get()
            if then is not None:
                then.get()
    except Exception:
        return False
    return True


def _key(model: LoadedModel, site: str) -> str:
    """The config key that says where a site is."""
    own = site if site in NAMED or site in OF_MIXTURES else "blocks"
    return f"models.{model.name}.units.{own}"


def _path(model: LoadedModel, site: str) -> str:
    """The module path that this key holds."""
    return getattr(model.architecture, site if site in NAMED else "blocks")


def _raise(problems: Collection[Problem]) -> None:
    if problems:
        raise UserError(*problems)
