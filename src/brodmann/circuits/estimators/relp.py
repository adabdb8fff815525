"""Relevance patching: attribution patching whose backward pass follows the rules of relevance propagation.

As attribution patching in all but the gradient. It is taken of a network that has the same values, in which

- the scale of every normalisation is a constant (LN rule): x / rms(x) and x - mean(x) over its deviation have
  the gradient of x and of x - mean(x), times that scale and the gain;
- the gate of every activation function is a constant (identity rule): act(x) has the gradient act(x) / x;
- a product gives half of its gradient to each factor (half rule): the act(gate) * up of a gated MLP.

Both rules of an MLP meet in its hidden neurons h, the input of its last projection: h = act(u) of what its
first projection puts out, or h = act(u1) * u2 of what two put out, or one for both. Then dh/du = h / u, or
dh/du1 = h / (2 u1) and dh/du2 = h / (2 u2), whichever of the two goes through the activation. All else
(attention patterns, caps on logits) keeps its gradient.

``relp_attention`` has one rule more: attention patterns are constants, too (AH rule), so that attention
passes gradients through values alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from brodmann.circuits.estimators.patching import Patching

if TYPE_CHECKING:
    import torch

    from brodmann.circuits.attribution import Attributor, Chunk
    from brodmann.circuits.estimators.interface import SiteValues
    from brodmann.models.load import LoadedModel

# Share of the largest output by which a normalisation may differ from its formula: rounding of the dtype.
_ROUNDING = {2: 2e-2, 4: 1e-3, 8: 1e-6}


@dataclass(frozen=True)
class Relp(Patching):
    """Passes and memory are those of attribution patching, but for a few more intermediate values."""

    name = "relp"
    label = "relevance patching"
    summary = "relevance patching, first order by relevance rules"
    bibliography = """
@misc{jafari2025relp,
  title         = {RelP: Faithful and Efficient Circuit Discovery in Language Models via Relevance Patching},
  author        = {Jafari, Farnoush Rezaei and Eberle, Oliver and Khakzar, Ashkan and Nanda, Neel},
  year          = {2025},
  eprint        = {2508.21258},
  archivePrefix = {arXiv},
}
"""

    def sentence(self) -> str:
        """See ``Estimator``."""
        return (
            "relevance patching [@jafari2025relp]: the difference of clean and corrupted activation times "
            "the gradient of the metric on the corrupted run, in which normalisation layers' scales and "
            "activation functions' gates were held constant and each factor of a product got half"
        )

    def contributions(self, run: Attributor, chunk: Chunk) -> SiteValues:
        """See ``Estimator``."""
        from brodmann.runner.ranks.marked import entered

        with entered(relevance_rules, run.model):
            return super().contributions(run, chunk)


@dataclass(frozen=True)
class RelpAttention(Relp):
    """Relevance patching with the rule for attention."""

    name = "relp_attention"
    label = "relevance patching, constant attention"
    summary = "relp with attention patterns held constant, too"

    def sentence(self) -> str:
        """See ``Estimator``."""
        return f"{super().sentence()}, and attention patterns were held constant"

    def contributions(self, run: Attributor, chunk: Chunk) -> SiteValues:
        """See ``Estimator``."""
        from brodmann.runner.ranks.marked import entered

        with entered(constant_attention, run.model):
            return super().contributions(run, chunk)


@contextmanager
def relevance_rules(model: LoadedModel) -> Iterator[None]:
    """Within it, gradients of the model follow the rules; its values are what they are without."""
    with ExitStack() as hooks:
        for name, module in model.hf.named_modules():
            if _is_norm(module):
                hooks.enter_context(_removed(module.register_forward_hook(_Norm(model.name, name))))
        for mlp in _mlps(model):
            for handle in mlp.registered():
                hooks.enter_context(_removed(handle))
        yield


@contextmanager
def _removed(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


def _with_gradient_of(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """``value``, to the last bit, with the gradient of ``other``."""
    return value.detach() + (other - other.detach())


def _refused(model: str, what: str, fix: str = "use estimator: patching or ig") -> Exception:
    from brodmann.errors import UserError

    return UserError.at("attribution.estimator", f"relp does not work with {model}: {what}", fix)


# Attention


@contextmanager
def constant_attention(model: LoadedModel) -> Iterator[None]:
    """Within it, attention patterns of the model have no gradient; its values are what they are without."""
    from brodmann.models.module_tree import module_at

    paths = model.architecture
    with ExitStack() as hooks:
        for number, block in enumerate(module_at(model.hf, paths.blocks)):
            if not model.has("heads", number):
                continue
            # What holds the projection that the heads' outputs enter.
            attention = module_at(block, paths.heads.rpartition(".")[0])
            constant = _Constant(model.name, number)
            before = attention.register_forward_pre_hook(constant.enter)
            hooks.enter_context(_removed(before))
            after = attention.register_forward_hook(constant.leave, always_call=True)
            hooks.enter_context(_removed(after))
        yield


class _Constant:
    """The hooks of one block's attention. Between them torch's own functions make its pattern: a softmax, or
    an attention that holds one."""

    def __init__(self, model: str, block: int) -> None:
        self.model, self.block = model, block
        self._open: list[Any] = []

    def enter(self, *_: Any) -> None:
        mode = _patterns()()
        mode.__enter__()
        self._open.append(mode)

    def leave(self, _: Any, __: Any, output: Any) -> None:
        mode = self._open.pop()
        mode.__exit__(None, None, None)
        if not mode.seen and output is not None:
            what = f"the attention of block {self.block} makes its pattern by a kernel of its own"
            raise _refused(self.model, what, "set attn_implementation: sdpa or eager for it")


@cache
def _patterns() -> type[Any]:
    """The mode: made once torch is imported."""
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    class Patterns(TorchFunctionMode):
        """Takes gradients from what makes a pattern. ``seen``: whether there was one."""

        seen = False

        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if function is functional.scaled_dot_product_attention:
                self.seen = True
                args = [own.detach() for own in args[:2]] + list(args[2:])
                for name in {"query", "key"} & set(kwargs):
                    kwargs[name] = kwargs[name].detach()
                return function(*args, **kwargs)
            found = function(*args, **kwargs)
            if function in (functional.softmax, torch.softmax, torch.Tensor.softmax):
                self.seen = True
                return found.detach()
            return found

    return Patterns


# Normalisations


def _is_norm(module: Any) -> bool:
    """By the name of its class; what holds others (a norm per head) is not one itself."""
    return bool(re.search("norm", type(module).__name__, re.IGNORECASE)) and not module._modules


class _Norm:
    """The hook of a normalisation: its formula, found from what it puts out, with the scale held constant."""

    def __init__(self, model: str, path: str) -> None:
        self.model = model
        self.path = path

    def __call__(self, module: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        """output = scale * gain * (x or x - mean) + bias, with one scale per row of the last dimension."""
        import torch

        if not output.requires_grad:
            return output
        x = inputs[0].to(torch.promote_types(output.dtype, torch.float32))
        weight, bias = (_parameter(module, name, x) for name in ("weight", "bias"))
        written = output.detach().to(x.dtype) - (0 if bias is None else bias)
        largest = float(written.abs().max())
        if not math.isfinite(largest):
            return output  # the attribution, not finite either, is refused
        tiny = torch.finfo(x.dtype).tiny
        gains = [1.0] if weight is None else [weight, 1 + weight]
        found: list[tuple[float, torch.Tensor]] = []
        for centred in (x, x - x.mean(-1, keepdim=True)):
            for gain in gains:
                formula = centred * gain
                whole = formula.detach()
                size = whole.square().sum(-1, keepdim=True)
                scale = (written * whole).sum(-1, keepdim=True) / size.clamp_min(tiny)
                error = float((written - scale * whole).abs().max())
                found.append((error, scale * formula))
        error, formula = min(found, key=lambda one: one[0])
        if not error <= _ROUNDING[output.dtype.itemsize] * largest:
            what = (
                f"'{self.path}' ({type(module).__name__}) is neither an RMS norm nor a layer norm"
            )
            raise _refused(self.model, what)
        return _with_gradient_of(output, formula.to(output.dtype))


def _parameter(module: Any, name: str, like: torch.Tensor) -> torch.Tensor | None:
    """A parameter in the dtype and on the device of ``like``, also where weights are offloaded."""
    if getattr(module, name, None) is None:
        return None
    there: Any = nullcontext()
    if hasattr(module, "_hf_hook"):
        from accelerate.utils import align_module_device

        there = align_module_device(module, like.device)
    with there:
        parameter: torch.Tensor = getattr(module, name).detach().to(like)
        return parameter


# MLPs


def _mlps(model: LoadedModel) -> Iterator[_MLP]:
    """Of every block; an error that says why if one has none that the rules are known for."""
    from brodmann.models.module_tree import module_at

    paths = model.architecture
    if model.experts is not None:
        raise _refused(model.name, "the MLPs are mixtures of experts")
    if "mlp_hidden" in model.missing:
        raise _refused(model.name, model.missing["mlp_hidden"].what)
    for number, block in enumerate(module_at(model.hf, paths.blocks)):
        if model.has("mlp_hidden", number):
            yield _MLP.of(model, number, block)


@dataclass
class _MLP:
    """The projections of one block's MLP; ``before`` holds what the first ones have put out in this pass."""

    model: str
    block: int
    path: str  # of the last projection, within the block
    first: list[Any]
    last: Any
    neurons: int
    before: dict[int, torch.Tensor]

    @classmethod
    def of(cls, model: LoadedModel, number: int, block: Any) -> _MLP:
        """The first projections are all others of the module that holds the last one."""
        from brodmann.models.module_tree import input_width, module_at, output_width

        path = model.architecture.mlp_hidden
        scope = path.rpartition(".")[0]
        last, attention = module_at(block, path), model.architecture.heads.partition(".")[0]
        first = [
            module
            for name, module in module_at(block, scope).named_modules()
            if module is not last
            and input_width(module) is not None
            and (scope or name.partition(".")[0] != attention)
        ]
        widths, neurons = [output_width(module) for module in first], model.neurons_per_layer
        if widths not in ([neurons], [2 * neurons], [neurons, neurons]):
            what = f"in block {number} the MLP of '{path}' has first projections {widths} wide; "
            expected = f"for {neurons} neurons one of them is expected, or two for a gated MLP"
            raise _refused(model.name, what + expected)
        return cls(model.name, number, path, first, last, neurons, {})

    def registered(self) -> Iterator[Any]:
        """Hooks that apply the rules. The neurons are changed before a trace sees them: their own
        gradient stays whole."""
        for place, module in enumerate(self.first):
            yield module.register_forward_hook(self._keep(place))
        yield self.last.register_forward_pre_hook(self._apply)

    def _keep(self, place: int) -> Callable[..., None]:
        def hook(_: Any, __: Any, output: torch.Tensor) -> None:
            self.before[place] = output

        return hook

    def _apply(self, _: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The hidden neurons with the gradients of the rules."""
        neurons = inputs[0]
        put_out = [self.before.pop(place) for place in sorted(self.before)]
        if not neurons.requires_grad:
            return None
        # Of a model that is shared by several processes, these are a rank's own neurons.
        width = neurons.shape[-1]
        factors = [part for value in put_out for part in value.split(width, dim=-1)]
        signs = neurons.detach().sign()
        for factor in factors:
            signs = signs * factor.detach().sign()
        # Of SiLU, GELU, ReLU and their kin, x and act(x) have the same sign. Others do not divide by x at 0.
        if bool((signs < 0).any()):
            what = f"in block {self.block} the neurons at the input of '{self.path}' are not "
            formula = "act(x) with the sign of x" if len(factors) == 1 else "act(gate) * up"
            raise _refused(self.model, what + formula)
        shares = (self._share(neurons.detach(), factor) for factor in factors)
        total = sum(shares, start=neurons.new_zeros(()))
        return (_with_gradient_of(neurons, total / len(factors)), *inputs[1:])

    @staticmethod
    def _share(neurons: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        """``factor`` times the neurons' ratio to it, which is a constant; nothing where the factor is 0."""
        fixed = factor.detach()
        ratio = (neurons / fixed).where(fixed != 0, 0)
        return factor * ratio
