"""Neurons of experts, against loops over tokens and experts (``naive_experts``)."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cards import card_of
from families.build import tiny, tiny_config
from naive_circuits import SHARED, UNITS, agrees
from reference import (
    _run,
    naive_attribution,
    naive_lesion,
    naive_metric,
    naive_patched_metric,
)
from test_card import CARD
from tiny_mixtures import MIXTURES
from tiny_models import tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM

from brodmann.circuits.ablation import Ablator, Lesion
from brodmann.circuits.attribution import Attributor
from brodmann.circuits.estimators import ESTIMATORS
from brodmann.circuits.stages.attribution import Stage
from brodmann.config.ablation import AblationSettings
from brodmann.config.attribution import AttributionSettings
from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.models.population import Population
from brodmann.models.selfcheck import self_check
from brodmann.models.taps import shown
from brodmann.models.wanted import Need
from brodmann.runner.activations import Activations
from brodmann.runner.edits import edited
from brodmann.runner.lens import directions
from brodmann.runner.writing import written_share

FAMILIES = (
    *("mixtral", "qwen2-moe", "qwen3-moe", "olmoe", "gpt-oss", "deepseek-v2", "deepseek-v3"),
    *("glm4-moe", "granite-moe", "qwen3-next-moe", "llama4"),
)
# What they have in common is tried on some, and on all by make test-all.
SOME = ("qwen3-moe", "gpt-oss", "deepseek-v3")
IN_TURN = [pytest.param(one, marks=() if one in SOME else pytest.mark.slow) for one in FAMILIES]
TEXT = SHARED[0].clean[:14]


@pytest.fixture(scope="module")
def built():
    made = {}

    def get(family, dtype=torch.float32):
        if (family, dtype) not in made:
            hf = tiny_model(MIXTURES[family]).to(dtype)
            made[family, dtype] = wrap_model(hf, tiny_tokenizer(), name="m", wanted=("mlp_hidden",))
        return made[family, dtype]

    return get


def naive_units(model, row=TEXT):
    """[layers, tokens, units] of one text, and its logits."""
    with torch.no_grad():
        logits, kept = _run(model, row)
    return torch.stack([kept[n][0] for n in range(model.n_layers)]), logits


@pytest.mark.parametrize("family", IN_TURN)
def test_baseline_attribution_and_ablation_are_as_in_plain_transformers(built, family):
    agrees(built(family), SHARED[::3], "neurons")


@pytest.mark.parametrize("family", IN_TURN)
def test_whole_experts_are_as_in_plain_transformers(built, family):
    """What each adds, times its weight, is one unit: attribution, ablation, and the self-check's proof."""
    model = built(family)
    agrees(model, SHARED[:1], "experts")
    outcome = self_check(model, [Need("experts", "attribution.components", {})])
    assert outcome.widths["experts"] == model.experts.count * model.hidden_size
    assert outcome.deviation["experts"] <= 1 and outcome.effect["experts"] > 0
    there = model.population("experts")
    assert [there.units_of(n) for n in range(model.n_layers)] == [
        model.experts.count if model.experts.has(n) else 1 for n in range(model.n_layers)
    ]


def test_a_block_without_any_mlp_has_no_experts():
    """Nemotron-H: of four blocks one has experts, one an MLP, and two neither; these hand out nothing."""
    model = wrap_model(tiny("nemotron_h"), tiny_tokenizer(), name="m", wanted=())
    assert "experts" in self_check(model, (Need("experts", "", {}),)).widths
    there = {site: model.population(site) for site in ("experts", "router")}
    assert [there["experts"].units_of(n) for n in range(4)] == [0, 4, 0, 1]
    assert [there["router"].units_of(n) for n in range(4)] == [0, 4, 0, 0]
    assert all(Population.at(card_of(model), site) == own for site, own in there.items())
    agrees(model, SHARED[:1], "experts")
    agrees(model, SHARED[:1], "router")


@pytest.mark.parametrize("family", IN_TURN)
def test_logits_of_routers_are_as_in_plain_transformers(built, family):
    """Attribution and ablation; and the self-check sees that no token goes where a logit is very low."""
    model = built(family)
    # The first blocks of DeepSeek and GLM, and every other block of Llama 4, have none.
    there, experts = model.population("router"), model.experts
    assert len(there) == experts.count * sum(map(experts.has, range(model.n_layers)))
    agrees(model, SHARED[:1], "router")
    outcome = self_check(model, [Need("router", "attribution.components", {})])
    assert outcome.widths["router"] == model.experts.count
    assert outcome.deviation["router"] <= 1 and outcome.effect["router"] > 0


def test_the_self_check_refutes_logits_of_another_expert(built, monkeypatch):
    """Were logits in another order than experts, the token would still be sent to the expert."""
    from brodmann.models import selfcheck

    seen = selfcheck._routed

    def shifted(inputs, *place):
        return {(expert + 1) % 4: weight for expert, weight in seen(inputs, *place).items()}

    monkeypatch.setattr(selfcheck, "_routed", shifted)
    with pytest.raises(UserError, match="a logit of the router does not decide"):
        self_check(built("qwen3-moe"), [Need("router", "attribution.components", {})])


def test_routers_that_are_not_known_are_refused_in_one_line(monkeypatch):
    monkeypatch.setattr("brodmann.models.experts._router", lambda *_: "")
    model = wrap_model(tiny_model(MIXTURES["deepseek-v3"]), tiny_tokenizer(), name="m", wanted=())
    needs = [Need("router", "attribution.components", {"[experts]": "experts"})]
    with pytest.raises(UserError, match="the router of block 1 could not be addressed") as caught:
        self_check(model, needs)
    assert len(caught.value.problems) == 1


def test_models_without_experts_refuse_them_in_one_line():
    model = wrap_model(tiny_model("llama"), tiny_tokenizer(), name="m")
    with pytest.raises(UserError) as caught:
        self_check(model, [Need("experts", "attribution.components", {"[neurons]": "mlp_hidden"})])
    [problem] = caught.value.problems
    assert problem.where == "models.m.units.experts" and "no mixture of experts" in problem.what
    assert problem.fix.endswith("set attribution.components: [neurons]")
    with pytest.raises(UserError, match="no mixture of experts"):
        model.module("experts", 0)


def test_experts_that_do_not_write_to_the_residual_stream_are_refused_in_one_line():
    """Nemotron-H with latents: one projection after the sum widens what its experts add."""
    config = tiny_config("nemotron_h")
    config.moe_latent_size = 24
    hf = tiny_model(lambda: AutoModelForCausalLM.from_config(config))
    model = wrap_model(hf, tiny_tokenizer(), name="m", wanted=())
    assert set(self_check(model, [Need("heads", "", {})]).widths) >= {"heads", "block_output"}
    for site in ("mlp_hidden", "experts"):
        with pytest.raises(UserError) as caught:
            self_check(model, [Need(site, "attribution.components", {"[heads]": "heads"})])
        [problem] = caught.value.problems
        assert problem.where == f"models.m.units.{site}"
        assert problem.fix.endswith("set attribution.components: [heads]")
    assert "write to a space of their own" in model.missing["mlp_hidden"].what


@pytest.mark.parametrize("family", ["qwen3-moe", "gpt-oss"])
def test_float64_models_run_without_the_product_by_groups(built, family):
    """Of which torch has none in float64: neither beneath the model itself nor beneath its neurons."""
    model = built(family, torch.float64)
    agrees(model, SHARED[:1], "neurons")
    expected, logits = naive_units(model)
    found = Activations(model, site="mlp_hidden").means([TEXT])
    assert np.abs(found - expected.mean(1).numpy()).max() <= 1e-9 * np.abs(found).max()
    with torch.no_grad():
        plain = model.hf(input_ids=torch.tensor([TEXT])).logits[0]
    assert plain.dtype == torch.float64
    assert (plain - logits).abs().max() <= 1e-9 * plain.abs().max()


@pytest.mark.parametrize("family", IN_TURN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_activations_are_those_of_loops(built, family, dtype):
    """In bf16 of the first layer with experts, where rounding has not yet changed what comes in."""
    model = built(family, dtype)
    expected, logits = naive_units(model)
    found = Activations(model, site="mlp_hidden").means([TEXT])
    hand = expected.double().mean(1).numpy()
    layers = (
        slice(None)
        if dtype == torch.float32
        else model.experts.paths.index(model.experts.paths[-1])
    )
    error = np.abs(found[layers] - hand[layers]).max()
    assert error <= (1e-4 if dtype == torch.float32 else 2e-2) * np.abs(hand[layers]).max()
    if dtype == torch.float32:  # the loops are what the model computes
        with torch.no_grad():
            plain = model.hf(input_ids=torch.tensor([TEXT])).logits[0]
        assert (plain - logits).abs().max() <= 1e-4 * plain.abs().max()


@pytest.mark.parametrize("family", IN_TURN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_self_check_proves_them(built, family, dtype):
    outcome = self_check(built(family, dtype), [Need("mlp_hidden", "attribution.components", {})])
    assert outcome.widths["mlp_hidden"] == built(family, dtype).neurons_per_layer
    assert outcome.deviation["mlp_hidden"] <= 1 and outcome.effect["mlp_hidden"] > 0


def test_the_self_check_refutes_neurons_of_another_expert(built, monkeypatch):
    """Were experts numbered otherwise than they are stored, the edit would move the output elsewhere."""
    from brodmann.models import selfcheck

    routed = selfcheck._routed

    def shifted(inputs):
        return {(expert + 1) % 4: weight for expert, weight in routed(inputs).items()}

    monkeypatch.setattr(selfcheck, "_routed", shifted)
    with pytest.raises(UserError, match="mlp_hidden: the MLPs are mixtures of experts"):
        self_check(built("mixtral"), [Need("mlp_hidden", "attribution.components", {})])


def test_neurons_of_experts_that_are_not_chosen_are_0_and_write_nothing(built):
    model = built("mixtral")
    units, _ = naive_units(model)
    # In the last layer, where nothing comes after: what the last token's experts are not.
    others = torch.zeros_like(units[:, -1], dtype=torch.bool)
    others[-1] = units[-1, -1] == 0
    assert others.sum() == model.neurons_per_layer / 2  # two of four experts
    ids = torch.tensor([TEXT])
    with torch.no_grad():
        plain = model.hf(input_ids=ids, use_cache=False).logits[0]
        with edited(model, others.numpy(), "add", 3.0, site="mlp_hidden"):
            found = model.hf(input_ids=ids, use_cache=False).logits[0]
    assert (found[-1] - plain[-1]).abs().max() <= 1e-5
    assert (found - plain).abs().max() > 1e-2


def test_neurons_of_a_token_that_is_sent_to_no_expert_are_0():
    """ZAYA: a token that skips all experts is said to go to the first, with a weight of 0."""
    model = wrap_model(tiny("zaya"), tiny_tokenizer(), name="m", wanted=())
    ids, sent, found = torch.tensor([TEXT]), {}, {}
    for layer, block in enumerate(model.hf.model.layers):
        experts = block.mlp.experts
        block.mlp.gate.balancing_biases[-1] = 0.0
        experts.register_forward_pre_hook(
            lambda _, given, layer=layer: sent.update({layer: given[2][:, 0] != 0})
        )
        experts.hidden_neurons.register_forward_hook(
            lambda _, __, out, layer=layer: found.update({layer: out[0].abs().amax(-1)})
        )
    with torch.no_grad(), shown(model, ("mlp_hidden",)):
        logits = model.hf(input_ids=ids, use_cache=False).logits
    with torch.no_grad():
        plain = model.hf(input_ids=ids, use_cache=False).logits
    assert (logits - plain).abs().max() <= 1e-5 * plain.abs().max()
    there = torch.stack([sent[layer] for layer in sorted(sent)])
    assert there.any() and not there.all()
    seen = torch.stack([found[layer] for layer in sorted(found)])
    assert not seen[~there].any() and bool((seen[there] > 0).all())


@pytest.mark.parametrize("family", ["qwen3-moe", "deepseek-v3"])
def test_edits_are_those_of_loops(built, family):
    """Also in the block without experts, which has fewer units than the others."""
    model = built(family)

    def edit(layer, units):
        units = units.clone()
        for at, unit in UNITS:
            if at == layer:
                units[..., unit] = 0
        return units

    with torch.no_grad():
        expected, _ = _run(model, TEXT, edit)
        with edited(model, UNITS, site="mlp_hidden"):
            found = model.hf(input_ids=torch.tensor([TEXT]), use_cache=False).logits[0]
        plain = model.hf(input_ids=torch.tensor([TEXT]), use_cache=False).logits[0]
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert (plain - expected).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["qwen3-moe", "deepseek-v3"])
def test_edits_of_whole_experts_are_those_of_loops(built, family):
    """A layer without experts has one; edits of others there change nothing."""
    model, size = built(family), built(family).hidden_size

    def edit(layer, units):
        units = units.clone()
        for at, unit in UNITS:
            if at == layer:
                units[..., unit * size : (unit + 1) * size] = 0
        return units

    with torch.no_grad():
        expected, _ = _run(model, TEXT, edit, "experts")
        with edited(model, UNITS, site="experts"):
            found = model.hf(input_ids=torch.tensor([TEXT]), use_cache=False).logits[0]
        plain = model.hf(input_ids=torch.tensor([TEXT]), use_cache=False).logits[0]
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert (plain - expected).abs().max() > 1e-3


@pytest.mark.parametrize("through", [False, True])
def test_a_gradient_goes_through_routers_if_it_is_asked_to(built, through):
    model, item = built("qwen3-moe"), SHARED[0]
    attributor = Attributor(model, router_gradient=through)
    [part] = attributor.contributions("t", [item])
    [found] = part.values["neurons"]
    expected = naive_attribution(model, item, "neurons", through_routers=through)
    other = naive_attribution(model, item, "neurons", through_routers=not through)
    scale = expected.abs().max()
    assert (found - expected).abs().max() <= 1e-4 * scale
    assert (other - expected).abs().max() > 1e-2 * scale


HELD = [
    pytest.param(one, marks=() if one == "deepseek-v3" else pytest.mark.slow) for one in FAMILIES
]


@pytest.mark.parametrize("family", HELD)
def test_lesions_with_routes_that_are_held_are_as_in_plain_transformers(built, family):
    """Every token keeps its experts and their weights, whatever the lesion does to what routers read."""
    model, items = built(family), SHARED[::3]
    width = model.neurons_per_layer
    # Some of what is active on the first item, in the first two layers: later routers must notice.
    units, _ = naive_units(model, items[0].clean)
    strong = units[:2, -1].abs().topk(4, dim=1).indices.tolist()
    places = [(layer, unit) for layer, own in enumerate(strong) for unit in own]
    lesions = [
        Lesion.of([layer * width + unit for layer, unit in own], width) for own in ([], places)
    ]
    ablator = Ablator(model)
    for kind in ("corrupted", "zero"):
        found = ablator.scores(items, lesions, kind, routes_held=True)
        free = ablator.scores(items, lesions, kind)
        expected = [naive_lesion(model, one, "neurons", places, kind, None, True) for one in items]
        assert np.abs(found[1] - np.array(expected)).max() <= 1e-4
        assert np.abs(found[0] - free[0]).max() <= 1e-4
        assert np.abs(found[1] - free[1]).max() > 1e-3


def test_heads_keep_their_numbers_beside_neurons(built):
    """Their gradient goes through routers, as it does without neurons."""
    model, item = built("qwen3-moe"), SHARED[0]
    [part] = Attributor(model, components=("neurons", "heads")).contributions("t", [item])
    for component in ("neurons", "heads"):
        expected = naive_attribution(model, item, component)
        error = (part.values[component][0] - expected).abs().max()
        assert error <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("name", ["ig", "ig_inputs", "atp_star"])
def test_estimators_take_experts(built, name):
    """Beyond the first order they share all that was compared above: here, that they see the same units."""
    from types import SimpleNamespace

    model, item = built("deepseek-v3"), SHARED[0]
    chosen = ESTIMATORS[name].of(SimpleNamespace(ig_steps=2))
    [part] = Attributor(model, estimator=chosen).contributions("t", [item])
    [found] = part.values["neurons"]
    first = naive_attribution(model, item, "neurons")
    assert found.shape == first.shape and bool(torch.isfinite(found).all()) and bool(found.any())
    # What has the same activation in both prompts has no effect.
    with torch.no_grad():
        clean, corrupted = (_run(model, row)[1] for row in (item.clean, item.corrupted))
    for layer in range(model.n_layers):
        same = clean[layer][0, -1] == corrupted[layer][0, -1]
        assert not found[layer][same].any()
    if name == "ig":  # what patching all of a layer does, with all that routers above it answer
        chosen = ESTIMATORS[name].of(SimpleNamespace(ig_steps=30))
        attributor = Attributor(model, estimator=chosen, router_gradient=True)
        [part] = attributor.contributions("t", [item])
        found, there = part.values["neurons"][0].sum(1), model.population("mlp_hidden")
        for layer, total in enumerate(found.tolist()):
            units = [(layer, unit) for unit in range(there.units_of(layer))]
            effect = naive_patched_metric(model, item, "neurons", units) - naive_metric(model, item)
            assert total == pytest.approx(effect, rel=1e-2, abs=1e-3)


def test_a_model_whose_neurons_nobody_asks_for_runs_as_ever(built):
    model = built("olmoe")
    config = model.hf.config
    own = config._experts_implementation
    with shown(model, ("mlp_hidden",)):
        assert config._experts_implementation != own
        with shown(model, (), holds=True):
            pass
        assert config._experts_implementation != own
    assert config._experts_implementation == own
    with pytest.raises(KeyError), shown(model, ("experts",)):
        raise KeyError
    assert config._experts_implementation == own


@pytest.mark.parametrize("family", ["gpt-oss", "deepseek-v3"])
def test_write_vectors_are_what_an_expert_adds(built, family):
    """Of a weight of 1: the difference that one more of the neuron makes, by the loops."""
    from naive_experts import written

    model = built(family)
    layer = model.n_layers - 1
    module = model.hf.get_submodule(f"model.layers.{layer}.mlp.experts")
    size = model.experts.neurons
    shares = written_share(model, [(layer, 3), (layer, 5)])
    for expert, neuron in ((0, 0), (2, size - 1), (3, 4)):
        one = torch.zeros(size)
        one[neuron] = 1.0
        expected = written(module, one, expert) - written(module, 0 * one, expert)
        unit = expert * size + neuron
        assert model.experts.of(layer, unit) == (expert, neuron)
        [found], _ = directions(model, "mlp_hidden", [(layer, unit)])
        assert (torch.from_numpy(found) - expected).abs().max() <= 1e-5
        part = expected.square()
        assert shares[layer, unit] == pytest.approx(
            float(part[[3, 5]].sum() / part.sum()), rel=1e-4
        )
    if family == "deepseek-v3":
        assert model.experts.of(0, 0) is None
        found, _ = directions(model, "mlp_hidden", [(0, 5), (0, 60)])
        assert np.isfinite(found[0]).all() and np.isnan(found[1]).all(), "a layer without experts"
        assert np.isnan(shares[0, 48:]).all() and not np.isnan(shares[0, :48]).any()


def test_settings_of_mixtures_leave_keys_of_other_studies_alone():
    usual, held = AblationSettings(), AblationSettings(routing="held")
    assert "routing" not in usual.measurement() and held.measurement()["routing"] == "held"
    usual, through = AttributionSettings(), AttributionSettings(router_gradient=True)
    assert "router_gradient" not in usual.estimation() and through.estimation()["router_gradient"]
    # Even where it is set, it is nothing to models without experts, nor to heads.
    for experts, component, asked in (
        (None, "neurons", False),
        ({"count": 4, "neurons": 16, "chosen": 2, "layers": [0]}, "neurons", True),
        ({"count": 4, "neurons": 16, "chosen": 2, "layers": [0]}, "heads", False),
    ):
        stage = object.__new__(Stage)
        stage.settings, stage.card = through, replace(CARD, experts=experts)
        assert ("router_gradient" in stage.estimation(component)) is asked
