"""Every measurement on a model whose weights wait in host memory or on disk, against a plain load.

On the CPU, accelerate's hooks do what they do beside a GPU: weights are on the meta device, come in while
their module runs, and are gone again.
"""

from itertools import product

import accelerate
import pytest
import torch
from measurements import MEASUREMENTS, baseline, inputs
from rounding import assert_same
from tiny_models import save_tiny, tiny_model, tiny_tokenizer

from brodmann.models.load import load_model, wrap_model
from brodmann.models.placement import compute_devices, offloaded, resident
from brodmann.models.selfcheck import self_check
from brodmann.runner.context import Reader
from brodmann.runner.generation import continuation
from brodmann.runner.memory import Budget

CPU = torch.device("cpu")


def check(model):
    # How far rounding took it from its prediction is rounding itself; that it passed is what counts.
    return [list(self_check(model).effect.values())]


def text(model):
    return [list(continuation(Reader(model), "the cat", tokens=5).encode())]


WAYS_OF_MEASURING = (*MEASUREMENTS, inputs, check, text)


def in_host_memory(family, folder):
    hf = accelerate.cpu_offload(tiny_model(family), execution_device=CPU)
    return wrap_model(hf, tiny_tokenizer(), name=family)


def on_disk(family, folder):
    return load_model(save_tiny(folder, family), name=family, device_map={"": "disk"})


def partly_on_disk(family, folder):
    """As with ``auto`` where memory ends in the middle of the model; the weights in several files."""
    hf = tiny_model(family)
    hf.save_pretrained(folder, max_shard_size="20KB")
    tiny_tokenizer().save_pretrained(folder)
    assert len(list(folder.glob("*.safetensors"))) > 2
    room = int(0.6 * sum(p.nbytes for p in hf.parameters())) // 1000
    return load_model(folder, name=family, device_map="auto", max_memory={"cpu": f"{room}KB"})


WAYS = (in_host_memory, on_disk, partly_on_disk)
# Tied and untied heads, fused projections, tuples, biases, norms around contributions.
FAMILIES = ("llama", "gemma2", "gpt2", "gpt-neox", "falcon", "phi3", "bloom")
FAST = {("llama", in_host_memory), *((family, partly_on_disk) for family in ("llama", "gemma2"))}
CASES = [
    pytest.param(family, way, marks=() if (family, way) in FAST else pytest.mark.slow)
    for family, way in (("chatglm", in_host_memory), *product(FAMILIES, WAYS))
]


def same(found, expected):
    """Not to the last bit: weights read from a file lie elsewhere in memory, and BLAS sums otherwise."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize(("family", "way"), CASES)
def test_every_measurement_is_that_of_a_plain_load(models, family, way, tmp_path):
    plain, model = models(family), way(family, tmp_path)
    assert offloaded(model.hf)
    assert not offloaded(plain.hf)
    assert (model.device, compute_devices(model.hf)) == (CPU, (CPU,))
    # In this order on one model: what one measurement leaves behind must not disturb the next.
    for measured in WAYS_OF_MEASURING:
        same(measured(model), measured(plain))
    assert offloaded(model.hf)


@pytest.mark.parametrize(("family", "way"), CASES)
def test_the_card_says_the_same(models, family, way, tmp_path):
    plain, model = models(family), way(family, tmp_path)
    for _ in range(2):
        assert (model.dtype, model.widths) == (plain.dtype, plain.widths)
        assert model.n_parameters == sum(p.numel() for p in plain.hf.parameters())
        baseline(model)


def test_weights_are_there_while_they_are_read(tmp_path):
    model = on_disk("llama", tmp_path)
    module = model.hf.model.layers[1].mlp.down_proj
    assert module.weight.is_meta
    with resident(module) as here:
        assert torch.equal(here.weight, tiny_model("llama").model.layers[1].mlp.down_proj.weight)
    assert module.weight.is_meta


def test_another_dtype_than_the_checkpoints_comes_from_disk(tmp_path):
    """Written nowhere: what is read from the checkpoint is cast on its way in."""
    folder = save_tiny(tmp_path / "m", "llama")
    options = {"name": "llama", "dtype": "bfloat16"}
    model = load_model(folder, device_map={"": "disk"}, **options)
    assert model.dtype == torch.bfloat16
    for found, expected in zip(
        baseline(model), baseline(load_model(folder, device="cpu", **options)), strict=True
    ):
        assert_same(found, expected, torch.bfloat16)
    written = tiny_model("llama").model.layers[1].mlp.down_proj.weight
    with resident(model.hf.model.layers[1].mlp.down_proj) as here:
        assert torch.equal(here.weight, written.bfloat16())


def test_a_budget_is_that_of_the_fullest_device(monkeypatch):
    free = {CPU: 1000, torch.device("meta"): 400}
    monkeypatch.setattr("brodmann.runner.memory._free", free.__getitem__)
    assert Budget(CPU).free() == 1000
    assert Budget(*free).free() == Budget(torch.device("meta")).free() == 400
