"""Language models of multimodal checkpoints, alone, against the whole models on texts."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import transformers
from example_items import ITEMS
from reference import log_probability, naive_attribution
from rounding import assert_same, deviation
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_models import CHAT_TEMPLATE, HEADS, HIDDEN, LAYERS, NEURONS, VOCABULARY, tiny_tokenizer

from brodmann.circuits.attribution import Attributor
from brodmann.errors import UserError
from brodmann.models.load import load_model
from brodmann.runner.answers import queries_of
from brodmann.runner.scoring import Scorer

TEXT = {
    **{"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "head_dim": 8},
    **{"num_attention_heads": HEADS, "num_key_value_heads": 2, "intermediate_size": NEURONS},
    **{"max_position_embeddings": 512, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}
SEES = {
    **{
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    **{"image_size": 16, "patch_size": 8},
}
PIXTRAL = {**SEES, "model_type": "pixtral", "head_dim": 8}
QWEN = {
    **{
        "depth": 2,
        "num_heads": 2,
        "patch_size": 8,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    },
    "intermediate_size": 24,
}
ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
LLAMA4 = {
    **{"intermediate_size_mlp": NEURONS, "num_local_experts": 4, "interleave_moe_layer_step": 2},
    **{"attention_chunk_size": 64, "use_qk_norm": False},
}
# Multimodal family -> class, language model's settings, settings of what sees.
FAMILIES = {
    "gemma3": ("Gemma3", {**TEXT, "sliding_window": 64}, SEES),
    "mistral3": ("Mistral3", {**TEXT, "model_type": "mistral"}, PIXTRAL),
    "llava": (
        "Llava",
        {**TEXT, "model_type": "llama"},
        {**SEES, "model_type": "clip_vision_model"},
    ),
    "internvl": (
        "InternVL",
        {**TEXT, "model_type": "qwen2"},
        {**SEES, "image_size": [16, 16], "patch_size": [8, 8]},
    ),
    "llama4": (
        "Llama4",
        {**TEXT, **LLAMA4},
        {**SEES, "vision_output_dim": 16, "projector_input_dim": 16, "projector_output_dim": 16},
    ),
    "qwen2_vl": (
        "Qwen2VL",
        {**TEXT, "rope_parameters": ROPE},
        {**QWEN, "embed_dim": 16, "hidden_size": HIDDEN},
    ),
    "qwen2_5_vl": (
        "Qwen2_5_VL",
        {**TEXT, "rope_parameters": ROPE},
        {**QWEN, "hidden_size": 16, "out_hidden_size": HIDDEN},
    ),
    "qwen3_vl": (
        "Qwen3VL",
        {**TEXT, "rope_parameters": {**ROPE, "mrope_interleaved": True}},
        {
            **QWEN,
            "hidden_size": 16,
            "out_hidden_size": HIDDEN,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 16,
        },
    ),
}


def whole(family):
    """The multimodal model, with the untied head that most have."""
    kind, text, sees = FAMILIES[family]
    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(
        text_config=text, vision_config=sees, tie_word_embeddings=False
    )
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Family -> the multimodal model, and its checkpoint's folder; made once."""
    made = {}

    def make(family):
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            model = whole(family)
            model.save_pretrained(folder)
            tiny_tokenizer(CHAT_TEMPLATE).save_pretrained(folder)
            made[family] = model, folder
        return made[family]

    return make


def load(folder, **options):
    return load_model(folder, name="m", device="cpu", **options)


WANTED = ("heads", "block_output")


@pytest.mark.parametrize("family", FAMILIES)
def test_on_texts_it_is_the_whole_model(folders, family):
    """Baselines and attributions of the language model alone are those of the multimodal model."""
    full, folder = folders(family)
    model = load(folder, wanted=WANTED)
    assert model.text_of == family
    assert model.tokenizer.chat_template == CHAT_TEMPLATE
    # Nothing that sees is there.
    text = [
        name for name, _ in full.named_parameters() if "language_model" in name or "lm_head" in name
    ]
    assert len(list(model.hf.parameters())) == len(text) < len(list(full.parameters()))
    queries = [query for item in ITEMS for query in queries_of(item)]
    expected = [log_probability(full, query.context, query.target) for query in queries]
    found = [log_probability(model.hf, query.context, query.target) for query in queries]
    assert deviation(found, expected) < 1e-5
    assert deviation(Scorer(model).log_probabilities(queries), expected) < 1e-5
    blocks = next(
        n for n, _ in full.named_modules() if re.search(r"language_model\b.*\.layers$", n)
    )
    twin = SimpleNamespace(
        **{
            "hf": full,
            "experts": None,
            "n_layers": LAYERS,
            "heads_per_layer": HEADS,
            "head_dim": 8,
        },
        architecture=replace(model.architecture, blocks=blocks),
    )
    components = ("heads",) if family == "llama4" else ("neurons", "heads")
    attributor = Attributor(model, components=components)
    for part in attributor.contributions("language/t", ITEMS[:3]):
        for component, values in part.values.items():
            for number, value in zip(part.numbers, values, strict=True):
                expected = naive_attribution(twin, ITEMS[number], component)
                assert expected.abs().max() > 1e-4
                assert deviation(value, expected) < 1e-5


@pytest.mark.parametrize("family", ["gemma3", "qwen2_5_vl"])
@pytest.mark.parametrize("form", ["language_model.model.", "model.language_model.", "model."])
def test_older_names_of_weights(folders, tmp_path, family, form):
    """Checkpoints of the hub have the language model under one of three names."""
    full, folder = folders(family)
    weights = {}
    for name, value in full.state_dict().items():
        bare = name.removeprefix("model.").removeprefix("language_model.").removeprefix("model.")
        if bare == "lm_head.weight":
            head = "language_model.lm_head.weight" if form.startswith("language") else bare
            weights[head] = value.clone()
        elif "language_model" in name:
            weights[form + bare] = value.clone()
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    for file in folder.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    found = load(tmp_path, wanted=WANTED).hf
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        assert_same(found(ids).logits, full(input_ids=ids).logits)


def test_what_sees_is_not_read(folders, tmp_path, monkeypatch):
    """Of the files, only tensors of the language model are asked for."""
    _, folder = folders("gemma3")
    read = []

    class Spy:
        """A tensor in a file, which is read when it is sliced."""

        def __init__(self, name, own):
            self.name, self.own = name, own

        def __getitem__(self, part):
            read.append(self.name)
            return self.own[part]

        def __getattr__(self, name):
            return getattr(self.own, name)

    class Opened:
        def __init__(self, *args, **kwargs):
            self.own = safe_open(*args, **kwargs).__enter__()

        def get_slice(self, name):
            return Spy(name, self.own.get_slice(name))

        def get_tensor(self, name):
            read.append(name)
            return self.own.get_tensor(name)

        def __getattr__(self, name):
            return getattr(self.own, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(transformers.modeling_utils, "safe_open", Opened)
    load(folder, wanted=WANTED)
    assert any("layers.0.mlp" in name for name in read)
    assert not [name for name in read if "vision" in name or "projector" in name]
    assert any("vision" in name for name in load_file(folder / "model.safetensors"))


def test_other_families_are_refused_in_a_line(tmp_path):
    config = transformers.PaliGemmaConfig(
        text_config={**TEXT, "model_type": "gemma"}, vision_config=SEES
    )
    config.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    (problem,) = caught.value.problems
    assert problem.where == "models.m.source"
    assert (
        problem.what == "the language model of the multimodal family 'paligemma' is not supported"
    )
    assert "gemma3" in problem.fix and "qwen3_vl" in problem.fix
