"""Tiny random models of every supported family, and a tokenizer for them; nothing is downloaded.

``tiny_model("gemma2")`` is a two- or three-layer model of width 32 in evaluation mode whose weights
depend on the seed alone. ``tiny_tokenizer()`` spells any text byte by byte. ``save_tiny(folder)``
writes both as a user's local model folder would look.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import GenerationMixin, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutputWithPast

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
VOCABULARY = 256 + len(SPECIAL_TOKENS)
HIDDEN = 32
LAYERS = 3
HEADS = 4
NEURONS = 48

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_tokenizer(chat_template: str | None = None) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer: one token per byte, so that every text can be encoded.

    It adds no special token of its own. ``chat_template``: a template, e.g. ``CHAT_TEMPLATE``.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL_TOKENS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = chat_template
    return fast


def _build(family: str, config_name: str = "", **settings: Any) -> PreTrainedModel:
    """The causal language model of a transformers family, from the sizes all of them share."""
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": NEURONS,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    sizes.update(settings)
    config = getattr(transformers, config_name or f"{family}Config")(**sizes)
    return getattr(transformers, f"{family}ForCausalLM")(config)


def _grouped(family: str, **settings: Any) -> Callable[[], PreTrainedModel]:
    """A family with grouped-query attention: two key-value heads for the four query heads."""
    return lambda: _build(family, **{"num_key_value_heads": 2, **settings})


def _gpt2_like(family: str, causal: str = "ForCausalLM", **settings: Any) -> PreTrainedModel:
    """The families that grew out of GPT-2's code have other names for the sizes."""
    config = getattr(transformers, f"{family}Config")(
        vocab_size=VOCABULARY,
        n_embd=HIDDEN,
        n_layer=LAYERS,
        n_head=HEADS,
        n_positions=512,
        bos_token_id=1,
        eos_token_id=2,
        **settings,
    )
    return getattr(transformers, f"{family}{causal}")(config)


def _bloom() -> PreTrainedModel:
    config = transformers.BloomConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        n_layer=LAYERS,
        n_head=HEADS,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return transformers.BloomForCausalLM(config)


def _falcon(**settings: Any) -> Callable[[], PreTrainedModel]:
    sizes = {"ffn_hidden_size": NEURONS, "bias": False, "alibi": False, **settings}
    return lambda: _build("Falcon", **sizes)


def _gemma3_wrapped() -> PreTrainedModel:
    """Gemma 3 as published: the text model inside a vision-language model."""
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 2,
        "head_dim": 12,
        "intermediate_size": NEURONS,
        "max_position_embeddings": 512,
        "sliding_window": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    config = transformers.Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4
    )
    return transformers.Gemma3ForConditionalGeneration(config)


class ChatGLMConfig(transformers.PretrainedConfig):
    """The configuration of ChatGLM's remote code, with its own names for the sizes."""

    model_type = "chatglm"

    def __init__(
        self,
        num_layers: int = LAYERS,
        padded_vocab_size: int = VOCABULARY,
        hidden_size: int = HIDDEN,
        ffn_hidden_size: int = NEURONS,
        kv_channels: int = HIDDEN // HEADS,
        num_attention_heads: int = HEADS,
        multi_query_group_num: int = 2,
        sequence_first: bool = True,
        **kwargs: Any,
    ) -> None:
        self.num_layers = num_layers
        self.padded_vocab_size = padded_vocab_size
        self.vocab_size = padded_vocab_size
        self.hidden_size = hidden_size
        self.ffn_hidden_size = ffn_hidden_size
        self.kv_channels = kv_channels
        self.num_attention_heads = num_attention_heads
        self.multi_query_group_num = multi_query_group_num
        self.sequence_first = sequence_first
        super().__init__(**kwargs)


class _ChatGLMAttention(nn.Module):
    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.heads, self.width = config.num_attention_heads, config.kv_channels
        self.groups, self.sequence_first = config.multi_query_group_num, config.sequence_first
        inner = self.heads * self.width
        self.query_key_value = nn.Linear(config.hidden_size, inner + 2 * self.groups * self.width)
        self.dense = nn.Linear(inner, config.hidden_size, bias=False)

    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor, None]:
        if self.sequence_first:
            hidden = hidden.transpose(0, 1)
        batch, length, _ = hidden.shape
        inner, kv = self.heads * self.width, self.groups * self.width
        query, key, value = self.query_key_value(hidden).split([inner, kv, kv], dim=-1)
        query = query.view(batch, length, self.heads, self.width).transpose(1, 2)
        key = key.view(batch, length, self.groups, self.width).transpose(1, 2)
        value = value.view(batch, length, self.groups, self.width).transpose(1, 2)
        repeat = self.heads // self.groups
        context = nn.functional.scaled_dot_product_attention(
            query,
            key.repeat_interleave(repeat, dim=1),
            value.repeat_interleave(repeat, dim=1),
            is_causal=True,
        )
        context = context.transpose(1, 2).reshape(batch, length, inner)
        return self.dense(context.transpose(0, 1) if self.sequence_first else context), None


class _ChatGLMMLP(nn.Module):
    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, 2 * config.ffn_hidden_size, bias=False)
        self.dense_4h_to_h = nn.Linear(config.ffn_hidden_size, config.hidden_size, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        gate, up = self.dense_h_to_4h(hidden).chunk(2, dim=-1)
        return self.dense_4h_to_h(nn.functional.silu(gate) * up)


class _ChatGLMBlock(nn.Module):
    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size)
        self.self_attention = _ChatGLMAttention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size)
        self.mlp = _ChatGLMMLP(config)

    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor, None]:
        attention, cache = self.self_attention(self.input_layernorm(hidden))
        hidden = hidden + attention
        return hidden + self.mlp(self.post_attention_layernorm(hidden)), cache


class _ChatGLMEncoder(nn.Module):
    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_ChatGLMBlock(config) for _ in range(config.num_layers))
        self.final_layernorm = nn.RMSNorm(config.hidden_size)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            hidden, _ = layer(hidden)
        return self.final_layernorm(hidden)


class _ChatGLMEmbedding(nn.Module):
    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.padded_vocab_size, config.hidden_size)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.word_embeddings(input_ids)


class _ChatGLMTransformer(nn.Module):
    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.sequence_first = config.sequence_first
        self.embedding = _ChatGLMEmbedding(config)
        self.encoder = _ChatGLMEncoder(config)
        self.output_layer = nn.Linear(config.hidden_size, config.padded_vocab_size, bias=False)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        return self.encoder(hidden.transpose(0, 1) if self.sequence_first else hidden)


class ChatGLMForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """A stand-in for ChatGLM's remote code: its module names and tuple outputs, no positions.

    As in ChatGLM2 and 3 the blocks run on [length, batch, hidden]; with ``sequence_first=False`` on
    [batch, length, hidden], as in GLM-4's remote code.
    """

    config_class = ChatGLMConfig
    base_model_prefix = "transformer"
    _no_split_modules: tuple[str, ...] = ()

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.transformer = _ChatGLMTransformer(config)
        self.post_init()

    def forward(self, input_ids: torch.Tensor, **ignored: Any) -> CausalLMOutputWithPast:
        """Logits [batch, length, vocabulary]."""
        logits = self.transformer.output_layer(self.transformer(input_ids))
        return CausalLMOutputWithPast(
            logits=logits.transpose(0, 1) if self.config.sequence_first else logits
        )


def _chatglm(sequence_first: bool) -> Callable[[], PreTrainedModel]:
    config = ChatGLMConfig(sequence_first=sequence_first)
    return lambda: ChatGLMForConditionalGeneration(config)


FAMILIES: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": _grouped("Llama"),
    "mistral": _grouped("Mistral"),
    "qwen2": _grouped("Qwen2"),
    "qwen3": _grouped("Qwen3", head_dim=12),
    "olmo": _grouped("Olmo"),
    "olmo2": _grouped("Olmo2"),
    "olmo3": _grouped("Olmo3"),
    "gemma": _grouped("Gemma", head_dim=12, num_key_value_heads=1),
    "gemma2": _grouped("Gemma2", head_dim=12, sliding_window=64, query_pre_attn_scalar=12),
    "gemma3": lambda: _build("Gemma3", "Gemma3TextConfig", num_key_value_heads=2, head_dim=12),
    "gemma3-wrapped": _gemma3_wrapped,
    "phi": lambda: _build("Phi", partial_rotary_factor=0.5),
    "phi3": _grouped("Phi3"),
    "gpt2": lambda: _gpt2_like("GPT2", "LMHeadModel"),
    "gptj": lambda: _gpt2_like("GPTJ", rotary_dim=4),
    "gpt-neox": lambda: _build("GPTNeoX"),
    "gpt-neox-sequential": lambda: _build("GPTNeoX", use_parallel_residual=False),
    "falcon": _falcon(parallel_attn=True, multi_query=True),
    "falcon-new-decoder": _falcon(new_decoder_architecture=True, num_kv_heads=2),
    "falcon-sequential": _falcon(parallel_attn=False, multi_query=False, alibi=True, bias=True),
    "glm": _grouped("Glm", head_dim=12),
    "glm4": _grouped("Glm4", head_dim=12),
    "chatglm": _chatglm(sequence_first=True),
    "chatglm-batch-first": _chatglm(sequence_first=False),
    "granite": _grouped("Granite", residual_multiplier=0.5),
    "cohere": _grouped("Cohere"),
    "stablelm": _grouped("StableLm"),
    "starcoder2": _grouped("Starcoder2"),
    "smollm3": _grouped("SmolLM3"),
    "ministral": _grouped("Ministral", head_dim=8, sliding_window=64),
    "cohere2": _grouped("Cohere2", sliding_window=64),
    "exaone4": _grouped("Exaone4", sliding_window=64),
    "helium": _grouped("Helium", head_dim=8),
    "seed-oss": _grouped("SeedOss", head_dim=12),
    "ernie": lambda: _build("Ernie4_5", "Ernie4_5Config", num_key_value_heads=2, head_dim=8),
    "gpt-bigcode": lambda: _gpt2_like("GPTBigCode"),
    "codegen": lambda: _gpt2_like("CodeGen", rotary_dim=4),
    "bloom": _bloom,
}


def tiny_model(family: str | Callable[[], PreTrainedModel], seed: int = 0) -> PreTrainedModel:
    """A random model in evaluation mode; the weights depend on ``seed`` alone.

    ``family``: a name of ``FAMILIES``, or what builds a model. The weights are drawn wider than a fresh
    initialisation would be: the blocks of a model whose weights are all near 0.02 contribute next to
    nothing, and a wrong result could pass for zero.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = (FAMILIES[family] if isinstance(family, str) else family)()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim >= 2:
                    parameter.normal_(std=0.25)
                elif name.endswith("bias"):
                    parameter.normal_(std=0.1)
                else:  # the gain of a norm, stored as an offset from one in some families
                    parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def with_window(family: str, window: int) -> PreTrainedModel:
    """A tiny model of a family that has sliding windows, in its own layers, of so many tokens."""
    settings: dict[str, Any] = {"num_key_value_heads": 2, "sliding_window": window}
    if family == "qwen2":  # windows from its second layer on
        settings |= {"use_sliding_window": True, "max_window_layers": 1}
    if family in ("gemma2", "gemma3", "ministral"):
        settings |= {"head_dim": 12}
    if family == "gemma2":
        settings |= {"query_pre_attn_scalar": 12}
    name = _WINDOWED[family]
    config = "Gemma3TextConfig" if family == "gemma3" else ""
    return tiny_model(lambda: _build(name, config, **settings))


_WINDOWED = {
    "mistral": "Mistral",
    "phi3": "Phi3",
    "qwen2": "Qwen2",
    "gemma2": "Gemma2",
    "gemma3": "Gemma3",
    "olmo3": "Olmo3",
    "ministral": "Ministral",
    "cohere2": "Cohere2",
    "exaone4": "Exaone4",
}


def save_telling(folder: Path, factor: float, seed: int = 0) -> None:
    """A tiny Llama whose weights are ``factor`` times as large, so that every unit has a say, with its
    tokenizer."""
    hf = tiny_model("llama", seed)
    with torch.no_grad():
        for parameter in hf.parameters():
            parameter.mul_(factor if parameter.ndim > 1 else 1)
    hf.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def save_tiny(
    directory: str | Path,
    family: str = "llama",
    seed: int = 0,
    chat_template: str | None = None,
) -> Path:
    """Write a tiny model and its tokenizer as a local folder of safetensors; returns the folder."""
    directory = Path(directory)
    tiny_model(family, seed).save_pretrained(directory)
    tiny_tokenizer(chat_template).save_pretrained(directory)
    return directory
