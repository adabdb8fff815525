"""Load a local folder of weights as a model whose units can be read and edited through nnsight.

Never touches the network. Weights are mapped from the safetensors files, not copied, where the
device and dtype allow it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from brodmann.errors import Problem, UserError, did_you_mean
from brodmann.models import llama4
from brodmann.models import quantised as packing
from brodmann.models.architecture import architecture_for
from brodmann.models.broken_package import broken_package
from brodmann.models.dimensions import text_config
from brodmann.models.experts import ROUTES, Experts, mixture_in, without_experts
from brodmann.models.families import AUTO, BATCH_FIRST, SEQUENCE_FIRST, Architecture
from brodmann.models.fp8 import blocks_of_their_size
from brodmann.models.head import widen_head
from brodmann.models.placement import find_device, input_device, placement
from brodmann.models.population import Population
from brodmann.models.required_sites import Sites, with_what_works
from brodmann.models.split import compute_locally, keep_shares, sharing
from brodmann.models.startup import import_model_code, without_compiler
from brodmann.models.taps import give_taps, run_float64
from brodmann.models.towers import find_tower
from brodmann.models.unit_widths import UnitWidths, unit_widths
from brodmann.sites import EXPERTS, HEADS, OF_MIXTURES, PLACES, SITES

if TYPE_CHECKING:
    from nnsight import Envoy, TransformersModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
# In transformers' report: what went wrong with a tensor, and which.
_CONVERSION = re.compile(r"\n([^\n]+)\nError: .*on tensors destined for (\S+)\. Ckpt")


@dataclass(frozen=True)
class UnitSite:
    """Where one kind of unit lives in one layer; ``get`` and ``set`` work inside an nnsight trace.

    Values are [batch, length, width], whatever layout the model runs in and whether its module
    returns a tensor or a tuple that begins with one. ``lacking``: units that other layers have and this one
    has not (``models.experts``); they are 0, and what they are set to changes nothing.
    """

    name: str
    envoy: Envoy
    side: str  # input | output
    sequence_first: bool
    lacking: int = 0

    def get(self) -> torch.Tensor:
        """The live value: what is written to it in place, the model goes on with."""
        value = _first(getattr(self.envoy, self.side))
        if self.lacking:
            return torch.nn.functional.pad(value, (0, self.lacking))
        return value.transpose(0, 1) if self.sequence_first else value

    def set(self, value: torch.Tensor) -> None:
        """Let the model go on with ``value`` instead."""
        if self.lacking:
            value = value[..., : -self.lacking]
        if self.sequence_first:
            value = value.transpose(0, 1)
        if self.side == "input":
            self.envoy.input = value
            return
        current = self.envoy.output
        more = current[1:] if isinstance(current, tuple | list) else None
        if more is None:
            self.envoy.output = value
        else:
            self.envoy.output = [value, *more] if isinstance(more, list) else (value, *more)

    def skip(self, value: torch.Tensor, *, returns_tuple: bool) -> None:
        """Within a trace: do not run the module, go on with ``value`` as its output."""
        if self.sequence_first:
            value = value.transpose(0, 1)
        self.envoy.skip((value, None) if returns_tuple else value)


def _first(value: Any) -> torch.Tensor:
    return value[0] if isinstance(value, tuple | list) else value


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be measured: evaluation mode, no gradients for its parameters.

    ``nn`` is nnsight's view of ``hf``, the transformers model; both are the same weights. ``missing``: sites
    that this model has not, and why; nobody wanted them when it was loaded. ``absent``: site -> layers that
    do not have it, where others do: what is read there is 0, and what is edited there changes nothing.
    ``experts``: whose the neurons are in a mixture of experts. ``text_of``: the multimodal family whose
    language model it is, if it is one. ``quantised``: what its weights are, if its checkpoint is quantised.
    ``ranks``: the processes that it is shared with, where this one leads them (``runner.ranks``).
    """

    name: str
    nn: TransformersModel
    hf: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    architecture: Architecture
    widths: UnitWidths
    missing: Mapping[str, Problem] = field(default_factory=dict)
    experts: Experts | None = None
    text_of: str = ""
    quantised: packing.Quantised | None = None
    absent: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    ranks: Any = None

    @property
    def n_layers(self) -> int:
        """The number of decoder blocks."""
        return self.widths.n_layers

    @property
    def hidden_size(self) -> int:
        """The width of the residual stream."""
        return self.widths.hidden_size

    @property
    def neurons_per_layer(self) -> int:
        """MLP hidden neurons in one block."""
        return self.widths.neurons

    @property
    def heads_per_layer(self) -> int:
        """Attention (query) heads in one block."""
        return self.widths.heads

    @property
    def head_dim(self) -> int:
        """The width of one head's output; times the heads, it need not be the hidden size."""
        return self.widths.head_dim

    @property
    def vocabulary_size(self) -> int:
        """The number of logits."""
        return self.widths.vocabulary

    @property
    def dtype(self) -> torch.dtype:
        """The dtype the model computes in."""
        return self.hf.dtype

    @property
    def device(self) -> torch.device:
        """Where inputs belong (the first device, when the model is spread over several)."""
        return input_device(self.hf)

    @property
    def n_parameters(self) -> int:
        """Numbers in the weights, those that modules share counted once.

        By their names: offloaded weights are not there to be compared.
        """
        if self.quantised is not None and self.quantised.packed:
            return packing.count(self.hf)
        shared = getattr(self.hf, "all_tied_weights_keys", {})
        named = dict(self.hf.named_parameters(remove_duplicate=False))
        return sum(p.numel() for name, p in named.items() if name not in shared)

    @property
    def residual_scale(self) -> float:
        """The factor on MLP and attention outputs in the residual stream; nearly always 1."""
        name = self.architecture.residual_scale
        return float(getattr(text_config(self.hf), name)) if name else 1.0

    def width(self, site: str) -> int:
        """The width of a site's activations."""
        own = self.widths
        return PLACES[site].units(
            hidden=own.hidden_size,
            neurons=own.neurons,
            heads=own.heads * own.head_dim,
            experts=0 if self.experts is None else self.experts.count,
        )

    def unit_size(self, site: str) -> int:
        """How many dimensions of the site a unit has: a head has several, an expert all of the stream's."""
        return {HEADS: self.head_dim, EXPERTS: self.hidden_size}.get(PLACES[site].width, 1)

    def units(self, site: str) -> int:
        """How many units a block has at the site."""
        return self.width(site) // self.unit_size(site)

    def has(self, site: str, layer: int) -> bool:
        """Whether a layer has a site; blocks of a hybrid differ in that."""
        return layer not in self.absent.get(site, ())

    def module(self, site: str, layer: int) -> UnitSite:
        """The site (one of ``PLACES``) of a layer that has it."""
        if site not in PLACES:
            raise ValueError(f"unknown site '{site}' ({did_you_mean(site, PLACES)})")
        if not 0 <= layer < self.n_layers:
            raise IndexError(f"layer {layer} of a model with {self.n_layers} layers")
        self.require(site)
        own = self.own_width(site, layer)
        return UnitSite(
            name=site,
            envoy=envoy_at(self.nn, self.path(site, layer)),
            side=PLACES[site].side,
            sequence_first=self.architecture.layout == SEQUENCE_FIRST,
            lacking=self.width(site) - own,
        )

    def path(self, site: str, layer: int) -> str:
        """The path of the module that has the site of a layer."""
        block = f"{self.architecture.blocks}.{layer}"
        if site in OF_MIXTURES and self.experts is not None:
            own = self.experts.weighs(layer) if site == "router" else self.experts.adds(layer)
            return f"{block}.{own}"
        if not PLACES[site].named:
            return block
        if site == "mlp_hidden" and self.experts is not None:
            return f"{block}.{self.experts.site(layer)}"
        return f"{block}.{getattr(self.architecture, site)}"

    def population(self, site: str) -> Population:
        """The units that layers have at a site."""
        own = [self._own_units(site, layer) for layer in range(self.n_layers)]
        return Population.of(self.n_layers, self.units(site), own)

    def own_width(self, site: str, layer: int) -> int:
        """How many of the site's dimensions a layer has: all, but where some layers have fewer, or none."""
        return self._own_units(site, layer) * self.unit_size(site)

    def _own_units(self, site: str, layer: int) -> int:
        if not self.has(site, layer):
            return 0
        if self.experts is not None and site in ("mlp_hidden", *OF_MIXTURES):
            return self.experts.units(site, layer)
        return self.units(site)

    def features(self) -> UnitSite:
        """What enters the final norm, whatever is edited below: it stands above all layers."""
        return UnitSite(
            name="features",
            envoy=envoy_at(self.nn, self.architecture.final_norm),
            side="input",
            sequence_first=self.architecture.layout == SEQUENCE_FIRST,
        )

    def routes(self, layer: int) -> UnitSite:
        """The weights that a layer's experts have, of all of them; the layer must have experts."""
        assert self.experts is not None
        path = f"{self.architecture.blocks}.{layer}.{self.experts.paths[layer]}.{ROUTES}"
        return UnitSite("routes", envoy_at(self.nn, path), "input", sequence_first=False)

    def embeddings(self) -> UnitSite:
        """What the embedding of tokens puts out, before positions are added where they are learned."""
        try:
            known = [self.hf.get_input_embeddings()]
        except (NotImplementedError, AttributeError):
            # Of foreign code that does not say so: the only table with a row for every token.
            known = [
                own
                for own in self.hf.modules()
                if isinstance(own, torch.nn.Embedding)
                and own.num_embeddings >= self.vocabulary_size
            ]
        paths = [name for name, own in self.hf.named_modules() if any(own is one for one in known)]
        if len(paths) != 1:
            what = f"which module of {self.name} embeds its tokens is not known"
            raise UserError.at(f"models.{self.name}", what)
        return UnitSite("embeddings", envoy_at(self.nn, paths[0]), "output", sequence_first=False)

    def require(self, site: str) -> None:
        """An error that says why, if the model has no such site."""
        if site in OF_MIXTURES and self.experts is None:
            raise UserError(without_experts(self.name, site))
        if site in self.missing:
            works = [other for other in SITES if other not in self.missing]
            raise UserError(with_what_works(self.missing[site], works))


def envoy_at(nn: TransformersModel, path: str) -> Envoy:
    """nnsight's counterpart of the module at a dotted path."""
    envoy = nn
    for part in path.split("."):
        # By the module tree, not by attribute: a submodule may be called "output", say.
        envoy = envoy._child_map[part]
    return envoy


def load_model(
    directory: str | Path,
    *,
    name: str,
    dtype: str = "auto",
    device: str = "auto",
    device_map: str | Mapping[str, Any] | None = None,
    max_memory: Mapping[str, str] | None = None,
    offload_folder: str | Path | None = None,
    attn_implementation: str | None = None,
    trust_remote_code: bool = False,
    units: Mapping[str, str] | None = None,
    dequantize: bool = False,
    allow_pickle: bool = False,
    wanted: Collection[str] = SITES,
    shares: int = 1,
) -> LoadedModel:
    """Load the checkpoint in ``directory`` (config, tokenizer, safetensors) as model ``name``.

    ``dtype``: ``auto`` is the checkpoint's own. ``device``: ``auto`` is CUDA if there is one, else
    the CPU; ``device_map`` (transformers' own, for a model larger than one device) replaces it, and
    ``max_memory`` says how much of each device it may take. ``offload_folder`` is for weights that are
    to be offloaded to disk and cannot be read from the checkpoint as they are.
    ``units``: see ``architecture_for``. ``dequantize``: whether quantised weights are unpacked.
    ``wanted``: the sites that the model must have; it may lack others.
    ``shares``: how many processes load the model at the same time, each its share of every layer.
    Every error names the key of ``models.{name}`` to change.
    """
    directory = Path(directory)
    where = f"models.{name}"
    _check_folder(directory, where)
    chosen = placement(device_map, device, max_memory) if shares == 1 else {}
    torch_dtype = _torch_dtype(dtype, where)
    import_model_code()
    if shares > 1:
        chosen = sharing(shares)
    tokenizer = load_tokenizer(directory, where, trust_remote_code)
    config = packing.configuration(directory, trust_remote_code)
    tower = find_tower(config, where)
    config = tower.config if tower else config
    format_ = packing.format_of(config)
    packing.require_known(config, name)
    dequantize = dequantize or packing.never_stays_packed(config)
    weights = None
    if dequantize:
        weights = packing.unpacked_as_read(directory, config, torch_dtype, name)
    else:
        packing.require_kernels(config, name)
    if format_ and not chosen:
        # Weights that are packed are not moved once they are there.
        chosen = {"device_map": {"": find_device(device)}}
    hf = _load_weights(
        directory,
        where,
        weights,
        dtype=torch_dtype,
        trust_remote_code=trust_remote_code,
        use_safetensors=None if allow_pickle else True,
        **({"config": config} if tower or dequantize else {}),
        **({"key_mapping": tower.names} if tower else {}),
        **chosen,
        **({"offload_folder": str(offload_folder)} if offload_folder else {}),
        **({"attn_implementation": attn_implementation} if attn_implementation else {}),
    )
    if shares > 1:
        compute_locally(hf)
    elif "device_map" not in chosen:
        hf.to(find_device(device))
    if dequantize:
        packing.unpack(hf, torch_dtype)
    if format_:
        packing.in_one_dtype(hf, torch_dtype)
    model = wrap_model(hf, tokenizer, name=name, units=units, wanted=wanted)
    text_of = tower.family if tower else ""
    return replace(model, text_of=text_of, quantised=packing.found(hf, format_))


def wrap_model(
    hf: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    name: str,
    units: Mapping[str, str] | None = None,
    wanted: Collection[str] = SITES,
) -> LoadedModel:
    """A transformers model in memory as a ``LoadedModel``: put in evaluation mode and frozen.

    A bf16 or fp16 model puts out float32 logits from then on (``models.head``).
    ``wanted``: the sites that it must have.
    """
    hf.eval()
    hf.requires_grad_(False)
    if getattr(hf.config, "rescale_every", 0):
        # RWKV halves the residual stream every few blocks, for float16: what one block puts out would not be
        # what the next reads.
        hf.config.rescale_every = 0
    # cuDNN's attention plans every new shape for a tenth of a second, and trees have many shapes.
    torch.backends.cuda.enable_cudnn_sdp(False)
    widen_head(hf)
    run_float64(hf)
    llama4.adapt(hf)
    # What the user names is meant to be there.
    sites = Sites(frozenset(wanted) | set(units or ()))
    architecture = architecture_for(hf, units, name=name, sites=sites)
    experts = mixture_in(hf, architecture, name, sites)
    of_experts = 0 if experts is None else experts.width
    widths = unit_widths(hf, architecture, name=name, sites=sites, of_experts=of_experts)
    if experts is not None:
        give_taps(hf, architecture, experts)
    import_model_code()
    from brodmann.models.view import view_of

    # It lists every class it knows when a model brings its own code.
    with _without_log("transformers.pipelines.base", "is not supported for"):
        nn = view_of(hf, tokenizer)
    keep_shares(nn)
    absent = {site: own for site, own in sites.absent.items() if site not in sites.missing}
    known = architecture, widths, sites.missing, experts
    model = LoadedModel(name, nn, hf, tokenizer, *known, absent=absent)
    if architecture.layout == AUTO:
        layout = _layout_by_running(model)
        model = replace(model, architecture=replace(architecture, layout=layout))
    return model


def _check_folder(directory: Path, where: str) -> None:
    if not directory.is_dir():
        raise UserError.at(f"{where}.source", f"{directory} is not a folder")
    if not (directory / "config.json").is_file():
        fix = "is it a transformers checkpoint?"
        raise UserError.at(f"{where}.source", f"{directory} has no config.json", fix)


def _torch_dtype(dtype: str, where: str) -> torch.dtype | str:
    if dtype == "auto":
        return dtype
    if dtype not in DTYPES:
        hint = did_you_mean(dtype, ["auto", *DTYPES])
        raise UserError.at(f"{where}.dtype", f"unknown dtype '{dtype}'", hint)
    return DTYPES[dtype]


def load_tokenizer(directory: Path, where: str, trust_remote_code: bool) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder; ``where`` names the model's config entry in errors."""
    from transformers import AutoTokenizer

    try:
        # mistral_format: else a tekken.json and an installed mistral-common would give another tokenizer, one
        # without the folder's chat template. What is read must not hang on what else is installed.
        tokenizer = AutoTokenizer.from_pretrained(
            directory,
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            mistral_format=False,
        )
        ids = tokenizer("The cat sat.", add_special_tokens=False)["input_ids"]
    except Exception as error:  # whatever a damaged or foreign file makes a parser raise
        what = f"the tokenizer in {directory} cannot be loaded"
        raise UserError(_loading_problem(error, where, what)) from error
    # Without any file, transformers makes a tokenizer that knows no word.
    if not ids:
        what = f"the tokenizer in {directory} makes no tokens of a text"
        fix = "is its tokenizer.json or tokenizer.model there?"
        raise UserError.at(f"{where}.source", what, fix)
    return tokenizer


def _load_weights(
    directory: Path, where: str, weights: dict[str, torch.Tensor] | None, **options: Any
) -> PreTrainedModel:
    """``weights``: the checkpoint's tensors, if they are not to be read from ``directory``."""
    from transformers import AutoModelForCausalLM

    kind: Any = AutoModelForCausalLM
    if weights is not None:  # the class itself takes them, without a folder
        kind = AutoModelForCausalLM._model_mapping.get(type(options["config"]), None)
        if kind is None:
            what = "weights of a model with its own code cannot be unpacked"
            raise UserError.at(f"{where}.dequantize", what, "remove it")
        # Of some multimodal families it is the language model's class, and takes the configuration of that.
        if kind.config_class is type(text := options["config"].get_text_config()):
            options["config"] = text
    reports: list[str] = []
    try:
        # The report is read below, in full. Foreign code may want the compiler.
        with (
            _without_progress_bar(),
            _without_log("transformers.modeling_utils", "LOAD REPORT", reports),
            blocks_of_their_size(),
            nullcontext() if options["trust_remote_code"] else without_compiler(),
        ):
            hf, report = kind.from_pretrained(
                directory if weights is None else None,
                local_files_only=True,
                state_dict=weights,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **options,
            )
    except (torch.OutOfMemoryError, MemoryError):
        fix = "set a smaller dtype, or device_map: auto to spread it over several devices"
        raise UserError.at(where, "the model does not fit into memory", fix) from None
    except Exception as error:  # whatever a damaged or foreign file makes a parser raise
        what = f"the model in {directory} cannot be loaded"
        if (found := _CONVERSION.search("\n".join(reports))) is not None:
            raise UserError.at(f"{where}.source", f"{what}: {found[2]}: {found[1]}") from error
        raise UserError(_loading_problem(error, where, what)) from error
    # transformers would go on with random numbers in their place.
    fix = "is the download complete, and does config.json belong to these weights?"
    problems = []
    if missing := sorted(report["missing_keys"]):
        what = f"{len(missing)} of the model's weights are missing, the first is {missing[0]}"
        problems.append(Problem(f"{where}.source", what, fix))
    if mismatched := sorted(report["mismatched_keys"]):
        key, found, expected = mismatched[0]
        what = f"{key} is {list(found)}, the model's configuration says {list(expected)}"
        problems.append(Problem(f"{where}.source", what, fix))
    problems = problems or packing.unread(hf, report["unexpected_keys"], weights, where)
    if problems:
        raise UserError(*problems)
    return hf


def _loading_problem(error: Exception, where: str, what: str) -> Problem:
    """The first line of a library's error, with the key that usually helps."""
    if (broken := broken_package(error, where)) is not None:
        return broken
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0] if lines else type(error).__name__
    if "trust_remote_code" in str(error):
        fix = "it needs its own code: set trust_remote_code: true if you trust it"
        return Problem(where, what, fix)
    if "attn_implementation" in str(error) or "attention implementation" in str(error).lower():
        return Problem(f"{where}.attn_implementation", reason)
    return Problem(f"{where}.source", f"{what}: {reason}")


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    """Loading takes a moment; its bar would only fill the log files of cluster jobs."""
    from transformers.utils import logging as transformers_logging

    was_on = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            transformers_logging.enable_progress_bar()


@contextmanager
def _without_log(logger: str, text: str, kept: list[str] | None = None) -> Iterator[None]:
    """Keep back a logger's messages that contain ``text``, in ``kept``."""
    log = logging.getLogger(logger)

    def keep(record: logging.LogRecord) -> bool:
        if text not in (said := record.getMessage()):
            return True
        if kept is not None:
            kept.append(said)
        return False

    log.addFilter(keep)
    try:
        yield
    finally:
        log.removeFilter(keep)


def _layout_by_running(model: LoadedModel) -> str:
    """Whether the blocks put the batch or the sequence first: a row of three tokens tells."""
    from nnsight import save

    ids = torch.arange(3)[None]
    block, where = model.module("block_output", 0).envoy, f"models.{model.name}.units.blocks"
    try:
        with torch.no_grad(), model.nn.trace({"input_ids": ids}):
            hidden = save(_first(block.output))
    except Exception as error:  # of modules that a text does not run, or of the model's own code
        what = f"'{model.architecture.blocks}' cannot be read while the model runs: {type(error).__name__}"
        raise UserError.at(where, what, "name the list of all decoder blocks") from error
    layouts = {(1, 3): BATCH_FIRST, (3, 1): SEQUENCE_FIRST}
    found = layouts.get(tuple(hidden.shape[:2]))
    if found is None or hidden.ndim != 3:
        what = f"the blocks put out {list(hidden.shape)} for one row of 3 tokens"
        fix = "expected is [batch, length, width] or [length, batch, width]"
        raise UserError.at(where, what, fix)
    return found
