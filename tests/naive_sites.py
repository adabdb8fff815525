"""What a model's sites hold, by plain hooks: one text at a time, no batch."""

import torch

from brodmann.runner.texts import encode_texts
from brodmann.sites import INPUT, SITES

SOME = ["llama", "gpt2", "gemma2", "gpt-neox", "falcon", "chatglm"]


def site_module(model, site, layer):
    block = model.hf.get_submodule(f"{model.architecture.blocks}.{layer}")
    if site == "block_output":
        return block
    return block.get_submodule(getattr(model.architecture, site))


def naive_activations(model, row, site):
    """[layers, tokens, units] of one text."""
    kept, handles = {}, []
    flip = model.architecture.layout == "sequence_first"

    def keep(layer, value):
        value = value[0] if isinstance(value, tuple | list) else value
        kept[layer] = (value.transpose(0, 1) if flip else value)[0].clone()

    for layer in range(model.n_layers):
        module = site_module(model, site, layer)
        if SITES[site].side == INPUT:
            hook = module.register_forward_pre_hook(lambda m, a, n=layer: keep(n, a[0]))
        else:
            hook = module.register_forward_hook(lambda m, a, out, n=layer: keep(n, out))
        handles.append(hook)
    with torch.no_grad():
        model.hf(input_ids=torch.tensor([row]))
    for handle in handles:
        handle.remove()
    absent = model.absent.get(site, ())  # the module of that name is another one in these layers
    layers = [kept[n] * 0 if n in absent else kept[n] for n in range(model.n_layers)]
    return torch.stack(layers).double()


def rows_of(model, texts, **options):
    return encode_texts(model.tokenizer, texts, **options)
