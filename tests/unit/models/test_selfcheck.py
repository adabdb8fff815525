"""The self-check: passes what is right, names the key of what is wrong."""

import json
from dataclasses import asdict

import pytest
import torch
import transformers
from rounding import assert_same
from tiny_models import FAMILIES, HEADS, HIDDEN, VOCABULARY, tiny_model, tiny_tokenizer
from torch import nn

from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.models.selfcheck import N_TOKENS, POSITION, SELF_CHECK_VERSION, self_check
from brodmann.sites import SITES


def loaded(family, units=None, dtype=torch.float32):
    return wrap_model(tiny_model(family).to(dtype), tiny_tokenizer(), name="m", units=units)


def problems_of(model):
    with pytest.raises(UserError) as caught:
        self_check(model)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_passes(family, dtype):
    model = loaded(family, dtype=dtype)
    outcome = self_check(model)
    assert outcome.version == SELF_CHECK_VERSION
    assert outcome.layers == (0, 1, 2)
    assert outcome.dtype == str(dtype).removeprefix("torch.")
    assert outcome.widths == {site: model.width(site) for site in SITES}
    assert set(outcome.effect) == set(outcome.leak) == set(outcome.deviation) == set(SITES)
    assert min(outcome.effect.values()) > 0.05
    assert max(outcome.leak.values()) < 0.01 * min(outcome.effect.values())
    assert max(outcome.deviation.values()) < 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "falcon", "glm4", "granite"])
def test_freshly_initialised_weights_pass(family, dtype):
    """An untrained model's blocks contribute next to nothing; its mapping is provable all the same."""
    torch.manual_seed(0)
    hf = FAMILIES[family]().to(dtype)
    outcome = self_check(wrap_model(hf, tiny_tokenizer(), name="m"))
    assert min(outcome.effect.values()) > 0
    assert max(outcome.deviation.values()) < 1


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "glm4"])
def test_a_float64_model_passes_whose_norms_compute_in_float32(family):
    assert max(self_check(loaded(family, dtype=torch.float64)).deviation.values()) < 0.5


def test_extreme_dimensions_of_the_residual_stream_do_not_matter():
    """Large models carry a few dimensions a thousand times the others'."""
    for dtype in (torch.float32, torch.bfloat16):
        model = loaded("llama", dtype=dtype)
        model.hf.model.embed_tokens.weight[:, 3] *= 4000
        assert self_check(model).deviation["mlp_output"] < 1


@pytest.mark.parametrize("layers", [1, 2])
def test_shallow_models(layers):
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
    )
    model = wrap_model(transformers.LlamaForCausalLM(config), tiny_tokenizer(), name="m")
    assert self_check(model).layers == tuple(range(layers))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("family", "key", "value", "message"),
    [
        # Query projections read the hidden state, not the heads.
        ("llama", "heads", "self_attn.q_proj", "heads: in layer 0 an edit of one unit"),
        ("olmo2", "heads", "self_attn.q_proj", "heads: in layer 0 an edit of one unit"),
        ("phi", "heads", "self_attn.q_proj", "heads: in layer 0 an edit of one unit"),
        # Contributions before the norm that follows them.
        ("gemma2", "mlp_output", "mlp", "mlp_output: in layer 0 an edit of the output of 'mlp'"),
        ("gemma2", "attention_output", "self_attn", "attention_output: in layer 0 an edit of the"),
        ("gemma3", "mlp_output", "mlp", "mlp_output: in layer 0 an edit of the output of 'mlp'"),
        ("olmo2", "mlp_output", "mlp", "mlp_output: in layer 0 an edit of the output of 'mlp'"),
        ("glm4", "mlp_output", "mlp", "mlp_output: in layer 0 an edit of the output of 'mlp'"),
        ("glm4", "attention_output", "post_attention_layernorm", "attention_output: in layer 0"),
        # The right width in the wrong place.
        (
            "llama",
            "mlp_output",
            "post_attention_layernorm",
            "mlp_output: 'post_attention_layernorm'",
        ),
        ("llama", "mlp_output", "self_attn", "mlp_output: 'self_attn' runs before 'mlp.down_proj'"),
        ("gpt2", "mlp_output", "ln_2", "mlp_output: 'ln_2' runs before 'mlp.c_proj'"),
        ("gpt2", "mlp_hidden", "attn.c_proj", "mlp_hidden: 'attn.c_proj' runs before 'attn'"),
        ("falcon", "mlp_output", "self_attention", "mlp_output: 'self_attention' runs before"),
        (
            "gpt-neox",
            "attention_output",
            "mlp",
            "mlp_hidden: 'mlp.dense_4h_to_h' runs before 'mlp'",
        ),
        # BLOOM's modules put out the residual stream with their contribution.
        ("bloom", "mlp_output", "mlp", "mlp_output: 'mlp' puts out the residual stream"),
        ("bloom", "attention_output", "self_attention", "attention_output: 'self_attention' puts"),
        # A contribution that is scaled before it is added.
        ("granite", "residual_scale", "", "mlp_output: in layer 0 an edit of the output of 'mlp'"),
        ("chatglm", "layout", "batch_first", "layout: activations are not batch_first"),
        ("llama", "layout", "sequence_first", "layout: activations are not sequence_first"),
        (
            "llama",
            "final_norm",
            "lm_head",
            "final_norm: what block 2 puts out is not what 'lm_head'",
        ),
    ],
)
def test_a_wrong_mapping_is_named(family, key, value, message, dtype):
    problems = problems_of(loaded(family, {key: value}, dtype))
    assert any(problem.startswith(f"models.m.units.{message}") for problem in problems), problems


def test_a_module_that_never_runs_is_named():
    hf = tiny_model("llama")
    for block in hf.model.layers:
        block.unused = nn.Linear(HIDDEN, HIDDEN)
    model = wrap_model(hf, tiny_tokenizer(), name="m", units={"mlp_output": "unused"})
    assert problems_of(model) == [
        "models.m.units.mlp_output: 'unused' does not run when the model does (name another module)"
    ]


def test_activations_without_a_batch_dimension_are_named():
    """OPT flattens its MLP's input to [tokens, width]."""
    config = transformers.OPTConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        word_embed_proj_dim=HIDDEN,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
    )
    model = wrap_model(transformers.OPTForCausalLM(config), tiny_tokenizer(), name="m")
    assert problems_of(model)[0].startswith(
        "models.m.units.mlp_hidden: in layer 0 the activations are [8, 48], expected are [1, 8, 48]"
    )


def test_a_model_that_looks_ahead_is_refused(monkeypatch):
    attention = nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        nn.functional,
        "scaled_dot_product_attention",
        lambda *args, **options: attention(*args, **{**options, "is_causal": False}),
    )
    problems = problems_of(loaded("chatglm-batch-first"))
    assert "changes logits before it by" in problems[0]
    assert "is it a causal model?" in problems[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_numbers_are_refused(value):
    model = loaded("llama")
    model.hf.lm_head.weight[5, 2] = value
    assert problems_of(model) == [
        "models.m.dtype: the model's logits are not finite numbers "
        "(float16 overflows in some models: use bfloat16 or float32)"
    ]


def test_an_mlp_that_ignores_its_neurons_is_refused():
    """Units whose edits reach no logit are not the units of this model."""
    model = loaded("llama")
    for block in model.hf.model.layers:
        block.mlp.down_proj.weight.zero_()
    problems = problems_of(model)
    assert problems[0].startswith("models.m.units.mlp_hidden: an edit of one unit in layer 0")
    assert "does not change any logit" in problems[0]


def test_it_costs_two_forward_passes_of_a_few_tokens():
    model = loaded("llama")
    rows = []
    model.hf.register_forward_pre_hook(
        lambda _, args, options: rows.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    outcome = self_check(model)
    assert rows == [(1, N_TOKENS), (1 + 3 * len(SITES), N_TOKENS)]
    assert outcome.forward_passes == len(rows)
    assert 0 < POSITION < N_TOKENS - 1


def test_it_leaves_the_model_as_it_was():
    model = loaded("falcon")
    ids = torch.tensor([[5, 9, 100, 41]])
    with torch.no_grad():
        before = model.hf(ids).logits
        self_check(model)
        assert_same(model.hf(ids).logits, before)
    assert not any(parameter.requires_grad for parameter in model.hf.parameters())


def test_the_outcome_can_be_written_as_json_and_repeats_exactly():
    first, second = (self_check(loaded("gemma2")) for _ in range(2))
    assert first == second
    assert json.loads(json.dumps(asdict(first)))["widths"]["heads"] == 48


def test_a_failure_of_the_model_itself_is_not_blamed_on_the_mapping():
    model = loaded("llama")

    def fail(*_):
        raise RuntimeError("broken")

    model.hf.lm_head.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="broken"):
        self_check(model)
