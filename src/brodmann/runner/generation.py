"""A text's continuation, greedy or sampled, by any model; generation settings of its own are not read."""

from __future__ import annotations

from typing import Any

import torch

from brodmann.errors import UserError
from brodmann.runner.context import Reader
from brodmann.runner.texts import encode_texts


def continuation(
    reader: Reader, prompt: str, *, tokens: int = 20, temperature: float = 0.0, seed: int = 42
) -> str:
    """At most ``tokens`` more tokens, up to the end of the text. At temperature 0 always the likeliest."""
    model = reader.model
    [ids] = encode_texts(model.tokenizer, [prompt], where="the prompt")
    ends = _end_tokens(model.hf, model.tokenizer)
    dice = torch.Generator().manual_seed(seed)
    context, last = reader.read([ids[:-1]]), reader.tensor([ids[-1:]])
    made: list[int] = []
    while len(made) < tokens:
        logits = reader.logits(context, last)[0, -1].double().cpu()
        token = _choose(logits, temperature, dice)
        if token in ends:
            break
        made.append(token)
        last = reader.tensor([(token,)])
    return str(model.tokenizer.decode(made, skip_special_tokens=True))


def _choose(logits: torch.Tensor, temperature: float, dice: torch.Generator) -> int:
    if torch.isnan(logits).any():
        fix = "its weights or dtype are at fault; try dtype: float32"
        raise UserError.at("the model", "a logit is not a number", fix)
    if temperature == 0:
        return int(logits.argmax())
    shares = (logits / temperature).softmax(-1)
    return int(torch.multinomial(shares, 1, generator=dice))


def _end_tokens(hf: Any, tokenizer: Any) -> set[int]:
    """Tokens that end a text, by the model's configuration and by its tokenizer."""
    found: set[int] = {tokenizer.eos_token_id} - {None}
    for config in (hf.generation_config, hf.config.get_text_config()):
        ends = getattr(config, "eos_token_id", None)
        found |= {ends} if isinstance(ends, int) else set(ends or ())
    return found
