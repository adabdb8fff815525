"""Quantised checkpoints against plain models of the values that their formats hold."""

import copy
import json
from functools import partial
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from example_items import ITEMS
from families.build import tiny
from packed_checkpoints import (
    AWQ,
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
    config["quantization_config"]["version"] = "gemv"
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert says(tmp_path) == (
        "models.m.dequantize: awq weights of the layout 'gemv' cannot be unpacked "
        "(take a checkpoint of the layout gemm)"
    )


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
