"""Sizes of models by their config.json, against published sizes and against the models themselves."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import save_file

from brodmann.capacity.model_config import DEFAULTS, ModelConfig
from brodmann.capacity.sizes import size_of_folder
from brodmann.models.packing import packing_of

PUBLIC = json.loads(Path(__file__).with_name("public_models.json").read_text())
ENTRY = SimpleNamespace(dtype="auto", untrained=False, dequantize=False)


def told(folder, config):
    (folder / "config.json").write_text(json.dumps(config))
    return ModelConfig.of(folder)


def parameters(config):
    """Of the language model, built without memory by transformers from the same configuration."""
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    return model, sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", PUBLIC)
def test_public_models_are_as_large_as_their_files(tmp_path, name):
    """Their parameters are exactly those of the model; the files hold little else."""
    known = PUBLIC[name]
    own = told(tmp_path, known["config"])
    plain = {key: value for key, value in own.text.items() if key != "quantization_config"}
    model, true = parameters(transformers.CONFIG_MAPPING[plain["model_type"]](**plain))
    assert own.parameters.total == true
    found = size_of_folder(tmp_path, ENTRY)
    assert found.parameters == true and found.width == 2
    # What they take in memory of a GPU, or would where they stayed packed.
    assert (found.packed or found.bytes) == pytest.approx(known["bytes"], rel=0.03)
    if known["active"] is None:
        return
    stacked = sum(
        p.numel() for n, p in model.named_parameters() if ".experts." in n and p.ndim == 3
    )
    share = 1 - plain["num_experts_per_tok"] / own.parameters.units * (
        plain.get("moe_intermediate_size") or plain["intermediate_size"]
    )
    assert found.active == pytest.approx(true - share * stacked, rel=1e-6)
    assert found.active == pytest.approx(known["active"], rel=0.01)


@pytest.mark.parametrize("family", DEFAULTS)
def test_what_is_left_out_is_as_transformers_has_it(family):
    own = transformers.CONFIG_MAPPING[family]().to_dict()
    assert DEFAULTS[family] == {name: own[name] for name in DEFAULTS[family]}


BLOCKS = {
    **{"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 6, "vocab_size": 1000},
    **{"num_attention_heads": 8, "num_key_value_heads": 2},
    **{"pad_token_id": None, "bos_token_id": None, "eos_token_id": None},
}
STATES = {"mamba_n_heads": 8, "mamba_d_head": 64, "mamba_d_state": 16, "mamba_n_groups": 2}
JAMBA = {"attn_layer_period": 3, "attn_layer_offset": 1, "mamba_d_state": 8, "mamba_dt_rank": 16}
MAMBA = {"hidden_size": 256, "num_hidden_layers": 6, "vocab_size": 1000}
ODD = {
    "Ernie4_5_Moe": {"moe_intermediate_size": 64, "moe_num_experts": 8, "moe_layer_interval": 2},
    "HunYuanMoEV1": {"head_dim": 32, "num_experts": 4, "moe_topk": 2},
    "Lfm2Moe": {
        **{"moe_intermediate_size": 64, "num_experts": 8, "num_dense_layers": 2},
        "layer_types": ["conv", "full_attention"] * 3,
    },
    "MiniMax": {"head_dim": 32, "num_local_experts": 4},
    "Glm4MoeLite": {
        **{"kv_lora_rank": 32, "q_lora_rank": 48, "qk_nope_head_dim": 16, "qk_rope_head_dim": 16},
        **{"v_head_dim": 32, "num_key_value_heads": 8, "moe_intermediate_size": 64},
        **{"n_routed_experts": 8, "num_experts_per_tok": 2},
        "mlp_layer_types": ["dense"] * 4 + ["sparse"] * 2,
    },
    "Gemma4Text": {
        **{"head_dim": 32, "global_head_dim": 32},
        **{"hidden_size_per_layer_input": 16, "vocab_size_per_layer_input": 1000},
    },
    "Lfm2": {"layer_types": ["conv", "full_attention"] * 3},
    "Bamba": {**STATES, "attn_layer_indices": [2, 5]},
    "GraniteMoeHybrid": {
        **STATES,
        "layer_types": ["mamba", "mamba", "attention"] * 2,
        "num_local_experts": 4,
        "shared_intermediate_size": 128,
    },
    "FalconH1": {**STATES, "mamba_d_ssm": 512},
    "Jamba": {**JAMBA, "num_experts": 4, "expert_layer_period": 2, "expert_layer_offset": 1},
}


def built(family):
    own = MAMBA if "Mamba" in family else {**BLOCKS, **ODD[family]}
    return getattr(transformers, f"{family}Config")(**own)


@pytest.mark.parametrize("family", [*ODD, "Mamba", "Mamba2", "FalconMamba"])
def test_blocks_of_many_kinds_are_as_large_as_transformers_makes_them(tmp_path, family):
    """Blocks without experts, MLPs beside them, linear attention, convolutions and state-space models."""
    if family == "Mamba2":
        config = transformers.Mamba2Config(
            **MAMBA, num_heads=8, head_dim=64, n_groups=2, state_size=16
        )
    else:
        config = built(family)
    _, true = parameters(config)
    found = told(tmp_path, config.to_dict())
    # Some norms and biases are left out.
    assert found.parameters.total == pytest.approx(true, rel=5e-3)
    assert size_of_folder(tmp_path, ENTRY).stateful == (
        family not in ("Ernie4_5_Moe", "Glm4MoeLite", "Gemma4Text", "HunYuanMoEV1", "MiniMax")
    )


@pytest.mark.parametrize(
    "family", ["Lfm2", "Bamba", "GraniteMoeHybrid", "FalconH1", "Jamba", "Mamba"]
)
def test_states_are_as_large_as_the_models_cache_keeps_them(tmp_path, family):
    config = built(family)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        cache = model(torch.arange(5)[None], use_cache=True)
    cache = getattr(cache, "past_key_values", None) or cache.cache_params
    held = 0
    for layer in cache.layers:
        for name in ("conv_states", "recurrent_states"):
            states = getattr(layer, name, {}).values()
            held += sum(state.numel() for state in states if state is not None)
    assert held > 0
    found = told(tmp_path, config.to_dict())
    assert found.parameters.states == held
    # Beside keys and values a row that is gone on from has all of them, in float32; 64 tokens count as one.
    widths = found.widths(4)
    for rows, tokens in ((1, 64), (2, 65)):
        states = widths.contexts(tokens) - widths.cache(tokens)
        assert 0 <= states - 4 * rows * held < 4 * rows * widths.layers


def test_linear_attention_has_states(tmp_path):
    """Qwen3-Next: a matrix for each head of the values, and the last inputs of its convolution."""
    config = transformers.Qwen3NextConfig()
    found = told(tmp_path, config.to_dict())
    matrices = (
        config.linear_num_value_heads * config.linear_value_head_dim * config.linear_key_head_dim
    )
    mixed = 2 * config.linear_num_key_heads * config.linear_key_head_dim
    mixed += config.linear_num_value_heads * config.linear_value_head_dim
    layers = config.layer_types.count("linear_attention")
    own = matrices + mixed * config.linear_conv_kernel_dim
    assert found.parameters.states == layers * own


def test_numbers_by_block_and_more_experts_than_there_are(tmp_path):
    plain = {**BLOCKS, "num_experts": 4, "num_experts_per_tok": 2}
    listed = {**plain, "num_experts_per_tok": [2] * 6}
    assert told(tmp_path, listed).parameters == told(tmp_path, plain).parameters
    kinds = ["dense", *["sparse"] * 5]
    some = told(tmp_path, {**plain, "mlp_layer_types": kinds}).parameters
    said = {**plain, "moe_layer_freq": [int(kind == "sparse") for kind in kinds]}
    assert told(tmp_path, said).parameters == some
    assert some.experts < told(tmp_path, plain).parameters.experts
    every = told(tmp_path, {**plain, "num_experts_per_tok": 10}).parameters
    assert every.active == every.total


def test_blocks_whose_kind_is_not_known_are_not_guessed(tmp_path):
    told(tmp_path, {**BLOCKS, "model_type": "zamba2", "layers_block_type": ["mamba"] * 6})
    assert size_of_folder(tmp_path, ENTRY) is None


NF4 = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
GROUPS = {"group_0": {"weights": {"num_bits": 4, "group_size": 128}}}
# Bits of a weight in a linear layer of a block, by hand.
FORMATS = {
    "nf4": (NF4, 4 + 32 / 64),
    "nf4, scales packed, too": (
        {**NF4, "bnb_4bit_use_double_quant": True},
        4 + 8 / 64 + 32 / 64 / 256,
    ),
    "int8": ({"quant_method": "bitsandbytes", "load_in_8bit": True}, 8),
    "fp8": ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 8 + 32 / 128**2),
    "gptq": ({"quant_method": "gptq", "bits": 4, "group_size": 128}, 4 + 20 / 128),
    "gptq, one group": ({"quant_method": "gptq", "bits": 8, "group_size": -1}, 8),
    "awq": (AWQ, 4 + 20 / 128),
    "compressed-tensors": (
        {"quant_method": "compressed-tensors", "config_groups": GROUPS},
        4 + 16 / 128,
    ),
    "quanto": ({"quant_method": "quanto", "weights": "int4"}, 4 + 32 / 128),
}


@pytest.mark.parametrize("name", FORMATS)
def test_bits_of_formats(name):
    own, bits = FORMATS[name]
    found = packing_of({"quantization_config": own})
    size = found.bytes(linear=8_000_000, experts=0, others=1100, width=2)
    assert size == pytest.approx(1_000_000 * bits + 2200, rel=1e-6)
    assert packing_of({"quantization_config": {"quant_method": "none such"}}) is None
    assert packing_of({}) is None


def test_fp8_is_unpacked_on_the_cpu(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(PUBLIC["DeepSeek-V3"]["config"]))
    found = size_of_folder(tmp_path, ENTRY)
    assert found.held("cpu") == 2 * found.parameters
    assert found.bytes == found.held("cuda") == found.packed < found.held("cpu")
    asked = size_of_folder(tmp_path, SimpleNamespace(**{**vars(ENTRY), "dequantize": True}))
    assert asked.held("cuda") == asked.held("cpu") == found.held("cpu")


def test_of_a_multimodal_checkpoint_the_language_model_counts(tmp_path):
    own = {
        "model_type": "gemma3",
        "text_config": {**BLOCKS, "model_type": "gemma3_text", "head_dim": 32},
    }
    (tmp_path / "config.json").write_text(json.dumps(own))
    weights = {
        "language_model.model.layers.0.mlp.down_proj.weight": np.zeros((4, 8), np.float32),
        "vision_tower.encoder.weight": np.zeros((100, 8), np.float32),
        "multi_modal_projector.weight": np.zeros((7, 8), np.float32),
    }
    save_file(weights, str(tmp_path / "model.safetensors"))
    found = size_of_folder(tmp_path, ENTRY)
    assert (found.parameters, found.bytes, found.stored) == (32, 128, 128)
