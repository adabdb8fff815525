"""Relevance patching against its rules by hand: in closed form, in modules, by what they conserve."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from golden.passes import attribution, load_config
from golden.study import MODEL, READ, STORE, STUDY, copy, copy_kept
from reference import naive_attribution
from rounding import assert_same
from test_attribution import ITEMS, attribute
from tiny_mixtures import MIXTURES
from tiny_models import FAMILIES, tiny_model, tiny_tokenizer
from torch import nn

from brodmann.circuits.estimators.relp import Relp, relevance_rules
from brodmann.circuits.stages.agreement import write_agreement
from brodmann.circuits.stages.files import TaskFiles
from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.models.module_tree import input_width

WIDTH, NEURONS = 6, 10


class Toy(nn.Module):
    """One block: RMS norm, a gated MLP added to its input; a layer norm; one number."""

    class RMSNorm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.rand(WIDTH) + 0.5)

        def forward(self, x):
            return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)

    class MLP(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.gate, self.up = nn.Linear(WIDTH, NEURONS), nn.Linear(WIDTH, NEURONS)
            self.down, self.act = nn.Linear(NEURONS, WIDTH), act

        def forward(self, x):
            return self.down(self.act(self.gate(x)) * self.up(x))

    class Block(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.norm, self.mlp = Toy.RMSNorm(), Toy.MLP(act)

        def forward(self, x):
            return x + self.mlp(self.norm(x))

    def __init__(self, act):
        super().__init__()
        self.blocks = nn.ModuleList([Toy.Block(act)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1)

    def forward(self, x):
        return self.head(self.norm(self.blocks[0](x)))


def toy(act=nn.functional.silu):
    """What the rules read of a ``LoadedModel``."""
    torch.manual_seed(0)
    hf = Toy(act).double()
    with torch.no_grad():
        hf.norm.weight.uniform_(0.5, 1.5)
        hf.norm.bias.normal_()
    paths = SimpleNamespace(blocks="blocks", mlp_hidden="mlp.down", heads="attention.out")
    return SimpleNamespace(
        experts=None,
        name="toy",
        hf=hf,
        architecture=paths,
        missing={},
        neurons_per_layer=NEURONS,
        has=lambda *_: True,
    )


def test_gradient_of_a_toy_in_closed_form():
    """The rules make it linear: its gradient is a product of matrices."""
    model = toy()
    x = torch.randn(WIDTH, dtype=torch.float64, requires_grad=True)
    before = model.hf(x[None])
    with relevance_rules(model):
        value = model.hf(x[None])
        (found,) = torch.autograd.grad(value.sum(), x)
    assert_same(value, before, torch.float64)

    block = model.hf.blocks[0]
    p = {name: w.detach().numpy() for name, w in model.hf.named_parameters()}
    at = x.detach().numpy()
    scaled = p["blocks.0.norm.weight"] / np.sqrt(np.mean(at**2) + 1e-6)
    gate = p["blocks.0.mlp.gate.weight"] @ (scaled * at) + p["blocks.0.mlp.gate.bias"]
    up = p["blocks.0.mlp.up.weight"] @ (scaled * at) + p["blocks.0.mlp.up.bias"]
    sigmoid = 1 / (1 + np.exp(-gate))  # silu(gate) / gate
    neurons = (
        np.diag(sigmoid * up) @ p["blocks.0.mlp.gate.weight"]
        + np.diag(gate * sigmoid) @ p["blocks.0.mlp.up.weight"]
    ) / 2
    through = np.eye(WIDTH) + p["blocks.0.mlp.down.weight"] @ neurons @ np.diag(scaled)
    stream = block(x).detach().numpy()
    centre = np.eye(WIDTH) - 1 / WIDTH
    deviation = np.sqrt(np.var(stream) + model.hf.norm.eps)
    last = p["head.weight"][0] * p["norm.weight"] / deviation
    np.testing.assert_allclose(found.numpy(), last @ centre @ through, rtol=1e-6, atol=1e-9)
    (plain,) = torch.autograd.grad(model.hf(x[None]).sum(), x)
    assert np.abs(plain.numpy() - found.numpy()).max() > 1e-2


def fixed(value):
    return value.detach()


def rms_norm(plus_one):
    def forward(self, x):
        eps = getattr(self, "variance_epsilon", None) or self.eps
        scale = fixed(torch.rsqrt(x.square().mean(-1, keepdim=True) + eps))
        return x * scale * ((1 + self.weight) if plus_one else self.weight)

    return forward


def layer_norm(self, x):
    centred = x - x.mean(-1, keepdim=True)
    scale = fixed(torch.rsqrt(centred.square().mean(-1, keepdim=True) + self.eps))
    return centred * scale * self.weight + self.bias


def gate_of(act, x):
    return fixed(act(x) / x)


def gated(act, project):
    def forward(self, x):
        gate, up = project(self, x)
        gate = gate * gate_of(act, gate)
        return self.down_proj((gate * fixed(up) + fixed(gate) * up) / 2)

    return forward


def plain(self, x):
    x = self.c_fc(x)
    return self.c_proj(x * gate_of(self.act, x))


def two(self, x):
    return self.gate_proj(x), self.up_proj(x)


def fused(self, x):
    return self.gate_up_proj(x).chunk(2, -1)


SILU, GELU = nn.functional.silu, lambda x: nn.functional.gelu(x, approximate="tanh")
# Family -> its class of norms and of MLPs, and both with the rules written into them.
BY_HAND = {
    "llama": ("LlamaRMSNorm", rms_norm(False), "LlamaMLP", gated(SILU, two)),
    "gemma": ("GemmaRMSNorm", rms_norm(True), "GemmaMLP", gated(GELU, two)),
    "phi3": ("Phi3RMSNorm", rms_norm(False), "Phi3MLP", gated(SILU, fused)),
    "gpt2": ("LayerNorm", layer_norm, "GPT2MLP", plain),
}


@pytest.mark.parametrize("family", BY_HAND)
def test_equals_a_model_with_the_rules_written_into_its_modules(models, family):
    found = attribute(models(family), ITEMS, estimator=Relp())
    hf = tiny_model(family)
    norm, norm_forward, mlp, mlp_forward = BY_HAND[family]
    replaced = set()
    for module in hf.modules():
        for name, forward in ((norm, norm_forward), (mlp, mlp_forward)):
            if type(module).__name__ == name:
                module.forward = forward.__get__(module)
                replaced.add(name)
    assert replaced == {norm, mlp}
    ruled = wrap_model(hf, tiny_tokenizer(), name=family)
    for number in (0, 1, 2, 6):
        for component in ("neurons", "heads"):
            expected = naive_attribution(ruled, ITEMS[number], component)
            assert_same(found[component, number], expected)
            usual = naive_attribution(models(family), ITEMS[number], component)
            assert (usual - expected).abs().max() > 1e-3 * usual.abs().max()


@pytest.mark.parametrize("family", FAMILIES)
def test_values_stay_and_relevance_is_conserved(models, family):
    """Of every norm and MLP: input times gradient sums to the output, less what biases add."""
    model = models(family)
    ids = torch.tensor([[5, 6, 7, 8, 100]])
    seen, handles = [], []

    def watch(module, inputs, output):
        seen.append((module, inputs[0], output))

    def relevant(inside, outside, bias=0.0):
        direction = torch.randn_like(outside)
        parts = torch.autograd.grad(outside, inside, direction, retain_graph=True)
        relevance = sum((x * g).sum(-1) for x, g in zip(inside, parts, strict=True))
        assert_same(relevance, (direction * (outside - bias)).sum(-1))

    before = model.hf(input_ids=ids).logits
    blocks = model.hf.get_submodule(model.architecture.blocks)
    downs = [block.get_submodule(model.architecture.mlp_hidden) for block in blocks]
    # Something to differentiate with respect to.
    start = blocks[0].register_forward_pre_hook(
        lambda _, args: (args[0].detach().requires_grad_(True), *args[1:])
    )
    with torch.enable_grad(), relevance_rules(model):
        scope = model.architecture.mlp_hidden.rpartition(".")[0]
        mlps = [module for block in blocks for module in block.get_submodule(scope).modules()]
        for module in model.hf.modules():
            if not module._modules and ("Norm" in type(module).__name__ or module in mlps):
                handles.append(module.register_forward_hook(watch))
        after = model.hf(input_ids=ids).logits
    for handle in (start, *handles):
        handle.remove()
    assert_same(after, before)
    norms, neurons, factors = 0, 0, []
    for module, x, y in seen:
        if module in downs:
            neurons += 1
            relevant(factors, x)
            factors = []
        elif "Norm" in type(module).__name__ and y.requires_grad:  # BLOOM has one below the blocks
            norms += 1
            relevant([x], y, 0.0 if getattr(module, "bias", None) is None else module.bias)
        elif input_width(module) is not None:
            factors.append(y)
    assert norms >= neurons == len(blocks)


@pytest.mark.parametrize("family", ["qwen3-moe", "mixtral"])
def test_mixtures_of_experts_are_refused(family):
    model = wrap_model(tiny_model(MIXTURES[family]), tiny_tokenizer(), name="m", wanted=("heads",))
    with pytest.raises(UserError, match=r"relp does not work with m: .*experts.*patching or ig"):
        attribute_heads(model)


def attribute_heads(model):
    from brodmann.circuits.attribution import Attributor

    found = Attributor(model, components=("heads",), estimator=Relp())
    return list(found.contributions("language/t", ITEMS[:1]))


def test_what_is_no_norm_and_no_activation_is_refused():
    model = toy(torch.sigmoid)
    x = torch.randn(4, WIDTH, dtype=torch.float64, requires_grad=True)
    with relevance_rules(model), pytest.raises(UserError, match=r"block 0 .* act\(gate\) \* up"):
        model.hf(x)
    model = toy()
    model.hf.blocks[0].norm.forward = lambda x: x.tanh()
    with relevance_rules(model), pytest.raises(UserError, match=r"'blocks\.0\.norm' \(RMSNorm\)"):
        model.hf(x)
    model = toy()
    model.hf.blocks[0].mlp.third = nn.Linear(WIDTH, NEURONS)
    with pytest.raises(UserError, match="first projections"), relevance_rules(model):
        pass
    assert not any(module._forward_hooks for module in model.hf.modules())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_dtypes(dtype):
    """A norm's output is rounded more coarsely there than its formula is told from others."""
    for family in ("llama", "gpt2", "gemma"):
        hf = tiny_model(family).to(dtype)
        narrow = wrap_model(hf, tiny_tokenizer(), name="n")
        wide = wrap_model(tiny_model(family).to(dtype).float(), tiny_tokenizer(), name="w")
        for key, values in attribute(narrow, ITEMS[:3], estimator=Relp()).items():
            expected = attribute(wide, ITEMS[:3], estimator=Relp())[key]
            together = np.corrcoef(values.flatten(), expected.flatten())[0, 1]
            assert together > (0.97 if dtype == torch.bfloat16 else 0.999), (family, key)


def test_agreement_with_the_truth_is_measured(tmp_path, monkeypatch, root):
    """By ``attribution.agreement``: beside the usual two, and in a table with a row and column more."""
    monkeypatch.chdir(tmp_path)
    copy(STUDY, tmp_path)
    (tmp_path / "workflow").symlink_to(root / "workflow")
    (tmp_path / "stimuli").symlink_to(root / "stimuli")
    copy_kept(tmp_path / "results", READ)
    config = tmp_path / "config.yaml"
    text = config.read_text().replace("attribution:\n", "attribution:\n  estimator: relp\n")
    config.write_text(text.replace("units: 3, items: 2", "units: 20, items: 2"))
    study = load_config([config], root=tmp_path).study
    tasks = study.tasks.selected
    files = {
        "model_json": f"results/{MODEL}/model.json",
        "item_files": [f"results/items/{task}.json" for task in tasks],
        "baseline_files": [f"results/{MODEL}/baseline/{task}.json" for task in tasks],
        "manifest": f"results/{STORE}/attribution.json",
    }
    attribution.run_pass(
        study,
        record_file=f"results/{MODEL}/.source.json",
        second_files=[f"results/items/.second/{task}.json" for task in tasks],
        threads=1,
        **files,
    )
    assert json.loads((tmp_path / files["manifest"]).read_text())["model_loads"] == 1
    compared = [task for task in tasks if task in study.attribution.agreement.tasks]
    own = TaskFiles(
        files["model_json"],
        [f"results/items/{task}.json" for task in compared],
        [f"results/{MODEL}/baseline/{task}.json" for task in compared],
    )
    names = {"table": "table.csv", "units": "units.csv", "manifest": files["manifest"]}
    write_agreement(study, files=own, component="neurons", **names)
    table, units = pd.read_csv("table.csv"), pd.read_csv("units.csv")
    assert table.estimator.tolist() == ["patching", "ig", "relp"] * len(compared)
    assert units.columns.tolist()[4:] == ["patching", "ig", "relp", "exact"]
    assert table.rank_correlation.between(-1, 1).all() and (table.n_units > 20).all()
    relp = units.relp.to_numpy()
    assert np.abs(relp).max() > 0 and (relp != units.patching.to_numpy()).any()
