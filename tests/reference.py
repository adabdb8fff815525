"""Naive references: what a number is by definition, in plain transformers, one sequence at a time."""

import torch


def log_probability(model, prompt_ids, answer_ids):
    """lp(answer | prompt): full-sequence teacher forcing, no cache, no batch, every logit computed."""
    ids = torch.tensor([[*prompt_ids, *answer_ids]])
    with torch.no_grad():
        log_probs = model(input_ids=ids).logits[0].double().log_softmax(-1)
    start = len(prompt_ids) - 1
    return sum(log_probs[start + n, token].item() for n, token in enumerate(answer_ids))
