"""The architecture table, its fallback by inspection, and the user's overrides."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from families.build import tiny
from tiny_mixtures import MIXTURES
from tiny_models import (
    FAMILIES,
    HEADS,
    HIDDEN,
    LAYERS,
    NEURONS,
    VOCABULARY,
    tiny_model,
    tiny_tokenizer,
)

from brodmann.errors import UserError
from brodmann.models.architecture import architecture_for
from brodmann.models.families import TABLE
from brodmann.models.inspection import inspect_architecture
from brodmann.models.load import wrap_model
from brodmann.models.module_tree import find_module
from brodmann.models.required_sites import Sites
from brodmann.models.unit_widths import unit_widths
from brodmann.sites import COMPONENTS, OF_MIXTURES

# Where a family's head dimension is not the hidden size over the number of heads.
HEAD_DIM = dict.fromkeys(
    ["qwen3", "gemma", "gemma2", "gemma3", "gemma3-wrapped", "glm", "glm4", "seed-oss"], 12
)
# Families without a setting for the number of neurons: four times the hidden size.
FOURFOLD = ("gpt2", "gptj", "gpt-bigcode", "codegen", "bloom")


def problems_of(call, *args, **options):
    with pytest.raises(UserError) as caught:
        call(*args, **options)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_in_the_table(family):
    model = tiny_model(family)
    architecture = architecture_for(model)
    types = {model.config.model_type, model.config.get_text_config().model_type}
    assert types & set(architecture.model_types)
    assert "inspection" not in architecture.name


@pytest.mark.parametrize("family", FAMILIES)
def test_widths_are_the_ones_the_model_was_built_with(family):
    model = tiny_model(family)
    widths = unit_widths(model, architecture_for(model))
    assert asdict(widths) == {
        "n_layers": LAYERS,
        "hidden_size": HIDDEN,
        "neurons": 4 * HIDDEN if family in FOURFOLD else NEURONS,
        "heads": HEADS,
        "head_dim": HEAD_DIM.get(family, HIDDEN // HEADS),
        "vocabulary": VOCABULARY,
    }


# BLOOM adds the residual stream inside its MLP: only running it can tell (see test_selfcheck).
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"bloom"}))
def test_inspection_finds_what_the_table_says(family):
    model = tiny_model(family)
    known = architecture_for(model)
    guessed = inspect_architecture(model)
    paths = replace(guessed, name=known.name, model_types=known.model_types, layout=known.layout)
    assert paths == known


def test_an_unknown_type_is_inspected():
    model = tiny_model("gpt2")
    model.config.model_type = "mystery"
    architecture = architecture_for(model)
    assert architecture.name == "mystery (by inspection)"
    assert architecture.mlp_hidden == "mlp.c_proj"
    assert architecture.layout == "auto"


@pytest.mark.parametrize(
    ("family", "heads", "mlp_hidden", "final_norm"),
    [
        # A gate stands behind the output projection, and is as wide.
        ("afmoe", "self_attn.o_proj", "", "model.norm"),
        # An attention to an encoder, which a decoder alone does not run; no final norm, but of embeddings.
        ("bart", "self_attn.out_proj", "fc2", "lm_head"),
        ("openai-gpt", "attn.c_proj", "mlp.c_proj", "lm_head"),
        ("bert", "attention.output.dense", "output.dense", "cls"),
    ],
)
def test_inspection_of_uncommon_blocks(family, heads, mlp_hidden, final_norm):
    model = tiny(family)
    found = inspect_architecture(model)
    assert (found.heads, found.mlp_hidden, found.final_norm) == (heads, mlp_hidden, final_norm)


def test_blocks_of_a_tower_are_not_the_decoder_s():
    """Its image encoder has as many layers, and more weights; a text does not run it."""
    model = tiny("git")
    assert inspect_architecture(model, sites=Sites(frozenset())).blocks == "git.encoder.layer"
    units = {"blocks": "git.image_encoder.vision_model.encoder.layers"}
    [line] = problems_of(wrap_model, model, tiny_tokenizer(), name="m", units=units, wanted=())
    assert line.startswith(f"models.m.units.blocks: '{units['blocks']}' cannot be read while")


def test_a_contribution_that_no_module_puts_out_is_one_line():
    line = "models.m.units.mlp_output: no module found that puts out what its units write (name it)"
    assert problems_of(architecture_for, tiny_model("llama"), {"mlp_output": ""}, name="m") == [
        line
    ]


def test_inspection_keeps_to_what_the_user_gives():
    model = tiny_model("llama")
    model.config.model_type = "mystery"
    architecture = architecture_for(model, {"heads": "self_attn.q_proj"})
    assert architecture.heads == "self_attn.q_proj"
    assert architecture.mlp_hidden == "mlp.down_proj"


def test_a_text_model_inside_another_is_found():
    architecture = architecture_for(tiny_model("gemma3-wrapped"))
    assert architecture.blocks == "model.language_model.layers"
    assert architecture.final_norm == "model.language_model.norm"


def test_an_override_has_the_last_word():
    architecture = architecture_for(tiny_model("llama"), {"mlp_output": "mlp.down_proj"})
    assert architecture.mlp_output == "mlp.down_proj"
    assert architecture.heads == "self_attn.o_proj"


def test_unknown_override_keys_are_all_reported():
    problems = problems_of(
        architecture_for, tiny_model("llama"), {"mlp_hiden": "x", "name": "y"}, name="m"
    )
    assert problems[0] == "models.m.units.mlp_hiden: unknown key (did you mean 'mlp_hidden'?)"
    assert problems[1].startswith("models.m.units.name: unknown key (")
    assert len(problems) == 2


def test_a_path_that_leads_nowhere_is_reported():
    overrides = {"heads": "self_attn.o_prj", "final_norm": "model.nrm", "blocks": "model.layers"}
    problems = problems_of(architecture_for, tiny_model("llama"), overrides, name="m")
    assert problems == [
        "models.m.units.final_norm: this model has no module 'model.nrm' "
        "(give its path from the model)",
        "models.m.units.heads: block 0 has no module 'self_attn.o_prj' "
        "(did you mean 'self_attn.o_proj'?)",
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"layout": "batch"}, "units.layout: unknown layout 'batch' (did you mean 'batch_first'?)"),
        ({"heads": 3}, "units.heads: must be a string, found 3"),
        ({"residual_scale": "scale"}, "configuration has no number 'scale'"),
        ({"blocks": "model.stages"}, "units.blocks: 'model.stages' is no module of this model"),
        ({"blocks": "model.norm"}, "units.blocks: 'model.norm' is not a list of blocks"),
    ],
)
def test_bad_overrides(overrides, message):
    assert any(
        message in text for text in problems_of(architecture_for, tiny_model("llama"), overrides)
    )


def test_a_list_of_other_blocks_is_refused():
    overrides = {"blocks": "model.vision_tower.encoder.layers"}
    problems = problems_of(architecture_for, tiny_model("gemma3-wrapped"), overrides)
    assert f"has 1 blocks, the model's configuration says {LAYERS}" in problems[0]


@pytest.mark.parametrize(
    ("family", "overrides", "messages"),
    [
        (
            "llama",
            {"mlp_hidden": "mlp.gate_proj"},
            [
                f"units.mlp_hidden: the output of 'mlp.gate_proj' is {NEURONS} wide",
                f"units.mlp_hidden: the input of 'mlp.gate_proj' is {HIDDEN} wide, the model's "
                f"configuration says {NEURONS} (neurons)",
            ],
        ),
        (
            "qwen3",
            {"heads": "self_attn.q_proj"},
            [
                "units.heads: the output of 'self_attn.q_proj' is 48 wide",
                f"units.heads: the input of 'self_attn.q_proj' is {HIDDEN} wide, the model's "
                "configuration says 48 (heads x head dimension)",
            ],
        ),
        (
            "gpt2",
            {"heads": "attn.c_attn"},
            [f"units.heads: the output of 'attn.c_attn' is {3 * HIDDEN} wide"],
        ),
        (
            "llama",
            {"heads": "input_layernorm"},
            [
                "units.heads: the output of 'input_layernorm' is None wide",
                "not a linear projection",
            ],
        ),
        (
            "llama",
            {"head": "model.norm"},
            [f"units.head: 'model.norm' is no projection from the residual stream ({HIDDEN} wide)"],
        ),
    ],
)
def test_wrong_widths_are_refused(family, overrides, messages):
    model = tiny_model(family)
    problems = problems_of(unit_widths, model, architecture_for(model, overrides), name="m")
    assert len(problems) == len(messages)
    for problem, message in zip(problems, messages, strict=True):
        assert message in problem


def test_blocks_of_unequal_width_are_refused():
    model = tiny_model("llama")
    down = model.model.layers[1].mlp.down_proj
    down.in_features = 40
    problems = problems_of(unit_widths, model, architecture_for(model))
    assert "differs between blocks: 40, 48" in problems[0]


def test_a_mixture_of_experts_is_refused_with_what_works():
    """No key names the neurons of experts: what is named are the sites that can be used."""
    sites = Sites(frozenset({"mlp_hidden"}))
    [problem] = problems_of(architecture_for, tiny_model(MIXTURES["llama4"]), name="m", sites=sites)
    assert problem.startswith(
        "models.m.units.mlp_hidden: the MLPs are mixtures of experts ('feed_forward.experts'), which is "
        "not supported for this site (with this model work: heads, attention_output, "
    )


def test_what_nobody_wants_may_be_missing():
    model = tiny_model(MIXTURES["llama4"])
    sites = Sites(frozenset({"heads"}))
    found = architecture_for(model, name="m", sites=sites)
    widths = unit_widths(model, found, sites=sites)
    assert set(sites.missing) == {"mlp_hidden"}
    assert (found.mlp_hidden, found.heads) == ("", "self_attn.o_proj")
    assert (widths.neurons, widths.heads, widths.head_dim) == (0, HEADS, 8)


def test_a_mixture_of_experts_has_no_module_that_reads_its_neurons():
    """These are handed out otherwise; what else there is of the family is as ever."""
    found = architecture_for(tiny_model(MIXTURES["qwen3-moe"]), name="m")
    assert (found.mlp_hidden, found.mlp_output, found.heads) == ("", "mlp", "self_attn.o_proj")


def test_a_site_that_the_user_names_must_be_there():
    model, units = tiny_model("llama"), {"mlp_hidden": "mlp.down"}
    with pytest.raises(UserError, match=r"units\.mlp_hidden: block 0 has no module"):
        wrap_model(model, tiny_tokenizer(), name="m", units=units, wanted=())


def test_heads_of_latent_attention_are_as_wide_as_their_values():
    """DeepSeek's keys are wider or narrower than its values; what a head puts out is made of values."""
    model, sites = tiny_model(MIXTURES["deepseek-v3"]), Sites(frozenset({"heads"}))
    found = architecture_for(model, sites=sites)
    widths = unit_widths(model, found, sites=sites)
    assert (widths.heads, widths.head_dim) == (HEADS, 12)


def test_a_model_without_blocks_is_refused():
    model = tiny_model("llama")
    model.config.model_type = "mystery"
    model.config.num_hidden_layers = 7
    problems = problems_of(architecture_for, model, name="m")
    assert problems[0].startswith("models.m.units.blocks: no list of decoder blocks found")


def test_no_model_type_is_in_the_table_twice():
    types = [type_ for entry in TABLE for type_ in entry.model_types]
    assert len(types) == len(set(types))


def test_the_table_is_tested_as_a_whole():
    """Every type that the table claims to know has a tiny model here."""
    tested = set()
    for family in FAMILIES:
        config = tiny_model(family).config
        tested |= {config.model_type, config.get_text_config().model_type}
    assert {type_ for entry in TABLE for type_ in entry.model_types} <= tested


def test_components_are_sites_of_the_table():
    architecture = architecture_for(tiny_model("llama"))
    named = {site for site in COMPONENTS.values() if site not in OF_MIXTURES}
    assert {getattr(architecture, site) for site in named} == {"mlp.down_proj", "self_attn.o_proj"}


def test_an_architecture_can_be_written_as_json():
    architecture = architecture_for(tiny_model("glm4"))
    assert json.loads(json.dumps(asdict(architecture)))["mlp_output"] == "post_mlp_layernorm"


def test_find_module():
    model = tiny_model("llama")
    assert find_module(model, "model.layers.1.mlp") is model.model.layers[1].mlp
    assert find_module(model, "") is model
    assert find_module(model, "model.layers.9") is None
    assert find_module(model, "model.config") is None


def test_the_table_imports_nothing_heavy():
    script = (
        "import sys, brodmann.models.architecture;"
        "print([m for m in ('torch', 'transformers', 'nnsight', 'numpy') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
