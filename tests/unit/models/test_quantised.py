"""Quantised checkpoints against plain models of the values that their formats hold."""

import copy
import json
from functools import partial
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
import transformers
from example_items import ITEMS
from families.build import tiny
from packed_checkpoints import (
    AWQ,
    FP8,
    GPTQ,
    INT4,
    awq,
    fp8,
    gptq,
    int4,
    int8,
    llama,
    mxfp4,
    nf4,
    packed_by_transformers,
    torchao,
    written,
)
from reference import log_probability, naive_attribution
from rounding import assert_same
from safetensors.torch import load_file, save_file
from tiny_mixtures import MIXTURES
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.capacity.sizes import size_of_folder
from brodmann.circuits.attribution import Attributor
from brodmann.errors import UserError
from brodmann.models import quantised
from brodmann.models.convert import initialise_untrained
from brodmann.models.load import load_model
from brodmann.models.packing import packing_of
from brodmann.runner.answers import queries_of
from brodmann.runner.scoring import Scorer


def assert_is(model, plain, components, limit=1e-5):
    """Baselines and attributions are those of the plain model."""
    queries = [query for item in ITEMS for query in queries_of(item)]
    expected = torch.tensor([log_probability(plain, q.context, q.target) for q in queries])
    found = torch.tensor(Scorer(model).log_probabilities(queries))
    assert (found - expected).abs().max() < limit * expected.abs().max()
    twin = copy.copy(model)
    object.__setattr__(twin, "hf", plain)
    for part in Attributor(model, components=components).contributions("t", ITEMS[:3]):
        for component, values in part.values.items():
            for number, value in zip(part.numbers, values, strict=True):
                expected = naive_attribution(twin, ITEMS[number], component)
                assert (value - expected).abs().max() < limit * expected.abs().max()


@pytest.mark.parametrize(("make", "named"), [(fp8, "fp8"), (mxfp4, "mxfp4")])
def test_unpacked_weights_are_plain_ones(tmp_path, make, named):
    """Without kernels transformers unpacks these: experts, too, are at hand then."""
    plain, folder = make(tmp_path), tmp_path
    model = load_model(folder, name="m", device="cpu", dtype="float32")
    assert model.quantised == quantised.Quantised(named, packed=False, gradients=True)
    assert model.n_parameters == sum(p.numel() for p in plain.parameters())
    for name, value in plain.state_dict().items():
        assert_same(model.hf.state_dict()[name], value)
    assert_is(model, plain, ("heads",) if named == "mxfp4" else ("neurons", "heads"))
    # Asked for, it is the same.
    again = load_model(folder, name="m", device="cpu", dtype="float32", dequantize=True)
    ids = torch.arange(5, 20)[None]
    with torch.no_grad():
        assert_same(again.hf(ids).logits, model.hf(ids).logits)


def test_an_untrained_twin_of_packed_weights_is_plain(tmp_path):
    """Its weights are drawn anew: nothing says that they are packed, and no plan counts on it."""
    trained, twin = tmp_path / "trained", tmp_path / "twin"
    trained.mkdir()
    twin.mkdir()
    fp8(trained)
    initialise_untrained(trained, twin, 0, False)
    assert load_model(twin, name="m", device="cpu").quantised is None
    found = [
        size_of_folder(
            trained, SimpleNamespace(dtype="auto", untrained=untrained, dequantize=False)
        )
        for untrained in (False, True)
    ]
    assert found[0].packed is not None and found[1].packed is None
    assert found[1].bytes == found[1].parameters * found[1].width


def test_nf4_stays_packed(tmp_path):
    """On the CPU its kernel computes in bf16, and has no gradients; unpacked weights have."""
    pytest.importorskip("bitsandbytes")
    plain, folder = packed_by_transformers(nf4)(tmp_path, 64), tmp_path
    model = load_model(folder, name="m", device="cpu")
    assert model.quantised == quantised.Quantised("nf4", packed=True, gradients=False)
    assert model.n_parameters == sum(p.numel() for p in plain.parameters())
    queries = [query for item in ITEMS for query in queries_of(item)]
    expected = torch.tensor([log_probability(plain, q.context, q.target) for q in queries])
    found = torch.tensor(Scorer(model).log_probabilities(queries))
    assert (found - expected).abs().max() < 1e-2 * expected.abs().max()
    with pytest.raises(UserError, match="no gradients go through its weights"):
        Attributor(model)
    unpacked = load_model(folder, name="m", device="cpu", dequantize=True)
    assert unpacked.quantised == quantised.Quantised("nf4", packed=False, gradients=True)
    assert_is(unpacked, plain, ("neurons", "heads"))


def test_int8_stays_packed(tmp_path):
    """Its products round the activations, too: numbers are nearly those of the plain model."""
    pytest.importorskip("bitsandbytes")
    plain, folder = packed_by_transformers(int8)(tmp_path, 64), tmp_path
    model = load_model(folder, name="m", device="cpu")
    assert model.quantised == quantised.Quantised("int8", packed=True, gradients=True)
    assert model.n_parameters == sum(p.numel() for p in plain.parameters())
    assert_is(model, plain, ("neurons",), limit=0.3)
    unpacked = load_model(folder, name="m", device="cpu", dequantize=True)
    assert unpacked.quantised == quantised.Quantised("int8", packed=False, gradients=True)
    assert_is(unpacked, plain, ("neurons",))


@pytest.mark.parametrize("asked", [False, True])
def test_compressed_tensors_are_unpacked_as_they_are_read(tmp_path, asked):
    """Asked for or not: the package would do it in the first pass, when modules are wrapped."""
    pytest.importorskip("compressed_tensors")
    plain, folder = int4(tmp_path), tmp_path
    model = load_model(folder, name="m", device="cpu", dtype="float32", dequantize=asked)
    named = "compressed-tensors 4 bits"
    assert model.quantised == quantised.Quantised(named, packed=False, gradients=True)
    assert model.n_parameters == sum(p.numel() for p in plain.parameters())
    assert_is(model, plain, ("neurons", "heads"))


_GROUPS = {
    "gptq": gptq,
    "gptq, version 2": partial(gptq, layout="gptq_v2"),
    "gptq, 8 bits, by activation": partial(gptq, bits=8, ordered=False),
    "gptq, 2 bits": partial(gptq, bits=2),
    "gptq, 3 bits": partial(gptq, bits=3),
    "gptq, 3 bits, version 2": partial(gptq, bits=3, layout="gptq_v2", ordered=False),
    "gptq, a smaller last group": partial(gptq, group=48),
    "gptq, a smaller last group that is not said": partial(gptq, group=48, groups_said=False),
    "awq": awq,
}


@pytest.mark.parametrize("named", _GROUPS)
def test_groups_are_unpacked_without_their_packages(tmp_path, named):
    """Every weight is (number - zero) * scale of its group, in a loop over all of them."""
    plain = _GROUPS[named](tmp_path, llama(64))
    model = load_model(tmp_path, name="m", device="cpu", dtype="float32", dequantize=True)
    assert model.quantised.format.startswith(named[:4].rstrip(","))
    assert not model.quantised.packed and model.quantised.gradients
    for name, value in plain.state_dict().items():
        assert torch.allclose(model.hf.state_dict()[name], value, rtol=1e-6, atol=0)
    assert_is(model, plain, ("neurons", "heads"))
    # Its own dtype is that of the scales.
    narrow = load_model(tmp_path, name="m", device="cpu", dtype="float16", dequantize=True)
    assert narrow.hf.model.layers[0].mlp.up_proj.weight.dtype == torch.float16


def test_groups_of_layers_with_inputs_first_are_turned(tmp_path):
    """Projections of a GPT-2 are square, too: nothing but their numbers tells which side is which."""
    plain = gptq(tmp_path, tiny_model("gpt2"), inputs_first=True)
    model = load_model(tmp_path, name="m", device="cpu", dtype="float32", dequantize=True)
    for name, value in plain.state_dict().items():
        assert_same(model.hf.state_dict()[name], value)


def test_groups_of_a_multimodal_checkpoint_are_its_language_models(tmp_path):
    """Of this family transformers itself loads the language model alone."""
    linear = {f"linear_{name}": 16 for name in ("key_head_dim", "value_head_dim")}
    config = transformers.Qwen3_5Config(
        text_config={
            **{"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "head_dim": 16},
            **{"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 261},
            **{"layer_types": ["full_attention", "linear_attention"], **linear},
            **{"linear_num_value_heads": 4, "linear_num_key_heads": 2},
        },
        vision_config={
            **{"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2},
            "out_hidden_size": 64,
        },
    )
    torch.manual_seed(3)
    plain = gptq(tmp_path, transformers.Qwen3_5ForConditionalGeneration(config).eval())
    model = load_model(tmp_path, name="m", device="cpu", dtype="float32", dequantize=True)
    ids = torch.arange(5, 20)[None]
    with torch.no_grad():
        assert_same(model.hf(ids).logits, plain(input_ids=ids).logits)


def test_the_layout_of_groups_is_read_by_its_newer_name(tmp_path):
    plain = gptq(tmp_path, llama(64), layout="gptq_v2")
    config = json.loads((tmp_path / "config.json").read_text())
    packed = config["quantization_config"]
    packed["format"] = packed.pop("checkpoint_format")
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = load_model(tmp_path, name="m", device="cpu", dtype="float32", dequantize=True)
    found = model.hf.model.layers[1].mlp.up_proj.weight
    assert_same(found, plain.model.layers[1].mlp.up_proj.weight)


def test_experts_in_groups_are_stacked_like_plain_ones(tmp_path):
    plain = gptq(tmp_path, tiny("qwen3_moe").eval())
    model = load_model(tmp_path, name="m", device="cpu", dtype="float32", dequantize=True)
    ids = torch.arange(5, 20)[None]
    with torch.no_grad():
        assert_same(model.hf(ids).logits, plain(ids).logits)


def test_files_of_another_arrangement_are_left_alone(tmp_path):
    """What the index names is the model; the same weights in one file beside it are not read."""
    plain = awq(tmp_path, llama(64))
    weights = load_file(tmp_path / "model.safetensors")
    names, cut = sorted(weights), len(weights) // 2
    (tmp_path / "model.safetensors").unlink()
    where = {}
    for number, own in enumerate((names[:cut], names[cut:])):
        file = f"model-{number}.safetensors"
        save_file({name: weights[name] for name in own}, tmp_path / file, {"format": "pt"})
        where |= dict.fromkeys(own, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    save_file(
        {name: torch.zeros_like(own) for name, own in weights.items()},
        tmp_path / "whole.safetensors",
    )
    model = load_model(tmp_path, name="m", device="cpu", dtype="float32", dequantize=True)
    ids = torch.arange(5, 20)[None]
    with torch.no_grad():
        assert_same(model.hf(ids).logits, plain(ids).logits)


def test_groups_that_cannot_be_unpacked_are_said_in_a_line(tmp_path):
    def says(folder):
        with pytest.raises(UserError) as caught:
            load_model(folder, name="m", device="cpu", dequantize=True)
        return str(caught.value)

    awq(tmp_path, llama(64))
    config = json.loads((tmp_path / "config.json").read_text())
    weights = load_file(tmp_path / "model.safetensors")
    stem = "model.layers.1.mlp.up_proj"
    without = {name: own for name, own in weights.items() if name != f"{stem}.scales"}
    save_file(without, tmp_path / "model.safetensors", {"format": "pt"})
    assert says(tmp_path) == (
        f"models.m.source: {stem} cannot be unpacked (awq): it has no scales (is the download complete?)"
    )
    (tmp_path / "model.safetensors").rename(tmp_path / "model.bin")
    assert says(tmp_path).startswith("models.m.dequantize: there are no safetensors in ")
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    damaged = says(tmp_path)
    assert damaged.startswith(f"models.m.source: the weights in {tmp_path} cannot be read: ")
    assert damaged.endswith("(is the download complete?)") and damaged.count("\n") == 0
    narrow = {**weights, f"{stem}.qweight": weights[f"{stem}.qweight"][:, :-4].contiguous()}
    save_file(narrow, tmp_path / "model.safetensors", {"format": "pt"})
    assert f"{stem} cannot be unpacked (awq): 3 bits a number (known: 4)" in says(tmp_path)
    wide = {**weights, f"{stem}.qweight": weights[f"{stem}.qweight"].long()}
    save_file(wide, tmp_path / "model.safetensors", {"format": "pt"})
    assert f"{stem} cannot be unpacked (awq): words are int64, not int32" in says(tmp_path)
    few = {**weights, f"{stem}.qzeros": weights[f"{stem}.qzeros"][:1].contiguous()}
    save_file(few, tmp_path / "model.safetensors", {"format": "pt"})
    assert says(tmp_path).startswith(
        f"models.m.source: {stem} cannot be unpacked (awq): numbers, zeros and scales do not go together "
        "([64, 128], [1, 128] and [2, 128])"
    )
    config["quantization_config"]["rotation"] = "hadamard"
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert says(tmp_path) == (
        "models.m.dequantize: its activations are to be rotated as it runs (hadamard), which plain weights "
        "do not do (take a checkpoint without rotation)"
    )
    config["quantization_config"]["version"] = "gemv"
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert says(tmp_path) == (
        "models.m.dequantize: awq weights of the layout 'gemv' cannot be unpacked "
        "(take a checkpoint of the layout gemm)"
    )


@pytest.mark.parametrize("width", [192, 320])
def test_fp8_blocks_at_the_edge_are_smaller(tmp_path, width):
    """192 rows are a block of 128 and one of 64; of 320, the last of three has 64, too."""
    plain = fp8(tmp_path, width)
    model = load_model(tmp_path, name="m", device="cpu", dtype="float32")
    for name, value in plain.state_dict().items():
        assert_same(model.hf.state_dict()[name], value)


def _with(folder, change):
    """Let each tensor of a checkpoint be what ``change`` makes of it; None: it is left out."""
    file = folder / "model.safetensors"
    held = {name: change(name, own) for name, own in load_file(file).items()}
    save_file({n: own for n, own in held.items() if own is not None}, file, {"format": "pt"})


def test_what_was_never_packed_has_the_dtype_that_was_asked_for(tmp_path):
    """Tables and norms are bf16 in most FP8 checkpoints."""
    plain = fp8(tmp_path)

    def narrow(name, own):
        return own if "_proj" in name else own.bfloat16()

    _with(tmp_path, narrow)
    model = load_model(tmp_path, name="m", device="cpu", dtype="float32")
    plain.load_state_dict({n: narrow(n, own).float() for n, own in plain.state_dict().items()})
    ids = torch.arange(5, 20)[None]
    with torch.no_grad():
        assert_same(model.hf(ids).logits, plain(ids).logits)


def test_four_bits_are_unpacked_to_the_dtype_that_was_asked_for(tmp_path):
    """bitsandbytes packed them from bf16, and would give them back so. A number is its place in a table of
    16, times the largest of its 64 neighbours; the first of two is the higher half of a byte."""
    pytest.importorskip("bitsandbytes")
    llama(64).bfloat16().save_pretrained(tmp_path)
    packed = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, quantization_config=nf4(), device_map={"": "cpu"}, dtype=torch.bfloat16
    )
    packed.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    held = load_file(tmp_path / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    table, most = held[f"{name}.quant_map"].tolist(), held[f"{name}.absmax"].tolist()
    halves = [half for byte in held[name].flatten().tolist() for half in divmod(byte, 16)]
    expected = torch.tensor([table[half] * most[n // 64] for n, half in enumerate(halves)])
    model = load_model(tmp_path, name="m", device="cpu", dtype="float32", dequantize=True)
    assert {own.dtype for own in model.hf.parameters()} == {torch.float32}
    assert_same(model.hf.state_dict()[name].flatten(), expected)


def test_rows_that_no_whole_blocks_make_are_refused_on_the_cpu():
    """bitsandbytes does not give them back there: the block at a row's end goes on in the next."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    packed, state = bitsandbytes.functional.quantize_4bit(torch.ones(64, 32), quant_type="nf4")
    module = bitsandbytes.nn.Linear4bit(32, 64, bias=False)
    module.weight = torch.nn.Parameter(packed, requires_grad=False)
    module.weight.quant_state = state
    (problem,) = quantised.unread(module, (), None, "models.m")
    assert str(UserError(problem)) == (
        "models.m.source: weight has rows of 32 numbers in blocks of 64, which bitsandbytes unpacks wrongly "
        "on the CPU (run the model on a GPU)"
    )


def test_numbers_whose_meaning_was_not_read_are_no_weights(tmp_path):
    """transformers would take them for weights, without a word."""

    def says():
        with pytest.raises(UserError) as caught:
            load_model(tmp_path, name="m", device="cpu", dtype="float32")
        return str(caught.value)

    fp8(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    packed = config.pop("quantization_config")
    text = json.dumps({**config, "quantization_config": {**packed, "quant_method": "modelopt"}})
    (tmp_path / "config.json").write_text(text)
    assert says() == (
        "models.m.source: transformers does not know weights of the format modelopt (take another "
        "checkpoint; if its weights are plain, remove quantization_config from its config.json)"
    )
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert says() == (
        "models.m.source: model.layers.0.mlp.down_proj.weight_scale_inv says how a weight is packed, and was "
        "not read (does quantization_config in its config.json say the format of these weights?)"
    )
    (tmp_path / "config.json").write_text(json.dumps({**config, "quantization_config": packed}))
    left_out = "model.layers.1.mlp.up_proj.weight_scale_inv"
    _with(tmp_path, lambda name, own: None if name == left_out else own)
    assert says() == (
        "models.m.source: model.layers.1.mlp.up_proj.weight is packed (float8_e4m3fn), and nothing says how "
        "(is the download complete?)"
    )


def test_a_scale_of_another_shape_is_said_in_a_line(tmp_path):
    fp8(tmp_path)
    odd = "model.layers.1.mlp.up_proj.weight_scale_inv"
    _with(tmp_path, lambda name, own: torch.ones(3, 1) if name == odd else own)
    with pytest.raises(UserError) as caught:
        load_model(tmp_path, name="m", device="cpu", dtype="float32")
    assert str(caught.value) == (
        f"models.m.source: the model in {tmp_path} cannot be loaded: model.layers.1.mlp.up_proj.weight: "
        "Weight shape (64, 32) not divisible by scale grid (3, 1)."
    )


def test_biases_of_layers_that_have_none_are_zeros(tmp_path):
    """Packages of GPTQ give every layer a bias; one that is not 0 would be left out of the numbers."""
    gptq(tmp_path, llama(64))
    stem = "model.layers.1.mlp.up_proj"
    held = load_file(tmp_path / "model.safetensors")
    for value in (0.0, 0.5):
        bias = {f"{stem}.bias": torch.full((128,), value)}
        save_file({**held, **bias}, tmp_path / "model.safetensors", {"format": "pt"})
        if not value:
            load_model(tmp_path, name="m", device="cpu", dtype="float32", dequantize=True)
            continue
        with pytest.raises(UserError) as caught:
            load_model(tmp_path, name="m", device="cpu", dtype="float32", dequantize=True)
        line = f"models.m.source: {stem}.bias is not 0, and the model has no such bias"
        assert str(caught.value) == line


@pytest.mark.parametrize("block", ["x", [128], {}, [0, 0]])
def test_sizes_of_a_format_that_says_nonsense_are_not_known(block):
    packed = {**FP8, "weight_block_size": block}
    found = packing_of({"quantization_config": packed})
    assert found is None or found.linear == 8


def test_torchao_stays_packed(tmp_path):
    pytest.importorskip("torchao")
    plain, folder = torchao(tmp_path), tmp_path
    model = load_model(folder, name="m", device="cpu")
    assert model.quantised == quantised.Quantised("torchao", packed=True, gradients=True)
    assert model.n_parameters == sum(p.numel() for p in plain.parameters())
    assert_is(model, plain, ("neurons", "heads"))
    with pytest.raises(UserError, match="transformers does not unpack torchao weights"):
        load_model(folder, name="m", device="cpu", dequantize=True)


class Kernel(torch.autograd.Function):
    """A product by a kernel that has no backward pass."""

    @staticmethod
    def forward(ctx, values, weight):
        return values @ weight.T


class Packed(torch.nn.Linear):
    def forward(self, values):
        return Kernel.apply(values, self.weight)


class Cut(torch.nn.Linear):
    """One that puts out what has no history: the residual stream has gradients all the same."""

    def forward(self, values):
        return (values @ self.weight.T).detach()


def test_without_gradients_attribution_is_refused_in_a_line(tmp_path):
    from brodmann.models.load import replace, wrap_model

    hf = tiny_model("llama")
    assert quantised.has_gradients(hf)
    # Their angles are a tensor of a module that is given activations, and takes nothing of them.
    for family in ("llama4", "deepseek-v2"):
        assert quantised.has_gradients(tiny_model(MIXTURES[family]))
    # An indexer of DeepSeek-V3.2 chooses what is attended to.
    assert quantised.has_gradients(tiny("deepseek_v32"))
    # Experts that are computed together, by a kernel without history.
    mixture = tiny_model(MIXTURES["deepseek-v2"])
    experts = mixture.model.layers[2].mlp.experts
    plain = type(experts)
    experts.__class__ = type(
        "Cut", (plain,), {"forward": lambda self, *given: plain.forward(self, *given).detach()}
    )
    assert not quantised.has_gradients(mixture)
    for kind in (Cut, Packed):
        hf.model.layers[1].mlp.down_proj.__class__ = kind
        assert not quantised.has_gradients(hf)
    model = wrap_model(hf, tiny_tokenizer(), name="m")
    model = replace(
        model, quantised=quantised.Quantised("gptq 4 bits", packed=True, gradients=False)
    )
    with pytest.raises(UserError) as caught:
        Attributor(model)
    assert str(caught.value).splitlines() == [
        "models.m.source: no gradients go through its weights (gptq 4 bits), which attribution needs "
        "(set models.m.dequantize: true, if its format can be unpacked)"
    ]


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (None, "its weights are not quantised"),
        (
            {"quant_method": "quanto", "weights": "int8"},
            "transformers does not unpack quanto weights",
        ),
    ],
)
def test_what_cannot_be_unpacked(packed, why):
    config = tiny_model("llama").config
    if packed:
        config.quantization_config = packed
    with pytest.raises(UserError, match=f"models.m.dequantize: {why}"):
        quantised.ask_unpacked(config, "m")


# Format -> what its checkpoints say, and the package that is named where it is not there.
_ELSEWHERE = {
    "gptq": (GPTQ, "pip install optimum gptqmodel, or set dequantize: true"),
    "awq": (AWQ, "pip install optimum gptqmodel, or set dequantize: true"),
    "quanto": ({"weights": "int8"}, "optimum"),
    "compressed-tensors": (INT4, "compressed"),
    "torchao": (
        {"quant_type": {"default": {"_type": "Int8WeightOnlyConfig", "_data": {}}}},
        "torchao",
    ),
}


@pytest.mark.parametrize("named", _ELSEWHERE)
def test_a_package_that_is_not_there_is_named_in_a_line(tmp_path, named):
    own, package = _ELSEWHERE[named]
    model = tiny_model("llama")
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    written(tmp_path, model, weights, {"quant_method": named, **own})
    if find_spec(named.replace("-", "_")) is not None:
        pytest.skip("the package is there")
    with pytest.raises(UserError) as caught:
        load_model(tmp_path, name="m", device="cpu")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("models.m.source: ") and package in line
