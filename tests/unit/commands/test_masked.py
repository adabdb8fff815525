"""A mask given to ``brodmann generate`` silences the units that it names: of their model, at their site."""

import argparse
import logging

import pandas as pd
import pytest
import torch
import transformers
import yaml
from rounding import assert_same
from tiny_models import HEADS, HIDDEN, LAYERS, NEURONS, save_telling, tiny_tokenizer

from brodmann.cli import main
from brodmann.commands import generate
from brodmann.commands.common import chosen
from brodmann.models.load import load_model
from brodmann.runner.edits import edited
from brodmann.store import masks
from brodmann.store.masks import Origin

PROMPT = "the cat sat"
# Indices that exist at all sites.
UNITS = [(layer, unit) for layer in range(LAYERS) for unit in (0, 2, 3)]
# Site -> module, how many units there are, and on which side of the module they stand.
PLACES = {
    "mlp_hidden": ("mlp.down_proj", NEURONS, "before"),
    "heads": ("self_attn.o_proj", HEADS, "before"),
    "block_output": ("", HIDDEN, "after"),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two tiny Llamas, whose weights are so large that every unit has a say."""
    folder = tmp_path_factory.mktemp("study")
    for seed, name in enumerate(("weights", "other")):
        save_telling(folder / name, 10, seed)
    models = {"tiny": {"source": "path:weights"}, "other": {"source": "path:other"}}
    config = {
        "models": models,
        "tasks": {"include": ["language/npi"]},
        "execution": {"cache": str(folder / "cache"), "device": "cpu"},
        # The site of localizers has nothing to say about a circuit.
        "localizer": {"lesion": {"tasks": []}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    yield folder
    logging.getLogger("transformers").setLevel(logging.WARNING)


def options(study, mask, model="tiny", **more):
    """What the command line would say."""
    given = ["--model", model, "--configfile", f"{study}/study.yaml", "--mask", str(mask)]
    given += ["--prompt", PROMPT, "--tokens", "6"]
    for name, value in more.items():
        given += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    parser = argparse.ArgumentParser()
    generate.arguments(parser)
    return given, parser.parse_args(given)


def silenced(hf, site):
    """Plain hooks, a loop over units and their dimensions."""
    path, width, side = PLACES[site]
    handles = []
    for number, block in enumerate(hf.model.layers):
        module = block.get_submodule(path) if path else block

        def edit(value, layer=number):
            value = value.clone()
            size = value.shape[-1] // width
            for at, unit in UNITS:
                for place in range(unit * size, (unit + 1) * size):
                    if at == layer:
                        value[..., place] = 0.0
            return value

        if side == "before":
            own = module.register_forward_pre_hook(lambda _, x, edit=edit: (edit(x[0]), *x[1:]))
        else:
            own = module.register_forward_hook(lambda _, __, y, edit=edit: edit(y))
        handles.append(own)
    return handles


def naive_continuation(hf, tokens=6):
    """The likeliest token, again and again, the whole text read each time."""
    tokenizer = tiny_tokenizer()
    ids = tokenizer(PROMPT)["input_ids"]
    made = []
    for _ in range(tokens):
        with torch.no_grad():
            token = int(hf(input_ids=torch.tensor([[*ids, *made]])).logits[0, -1].argmax())
        if token == tokenizer.eos_token_id:
            break
        made.append(token)
    return tokenizer.decode(made, skip_special_tokens=True)


@pytest.mark.parametrize("site", PLACES)
def test_a_mask_silences_its_own_units(study, tmp_path, site):
    """The same file but for the site, which decides what the numbers in it mean."""
    path = tmp_path / "mask.csv"
    table = pd.DataFrame(UNITS, columns=["layer", "unit"]).assign(model="tiny", site=site)
    table.to_csv(path, index=False)
    _, wish = options(study, path)
    found = dict(generate.continuations(*chosen(wish), wish))
    hf = transformers.AutoModelForCausalLM.from_pretrained(study / "weights").eval()
    intact = naive_continuation(hf)
    silenced(hf, site)
    assert list(found)[1] == f"lesioned ({len(UNITS)} units)"
    assert list(found.values())[:2] == [intact, naive_continuation(hf)]
    assert naive_continuation(hf) != intact


def test_heads_are_silenced_in_all_their_dimensions(study):
    """By their logits, as continuations may agree by chance."""
    model = load_model(study / "weights", name="tiny", dtype="float32", device="cpu")
    ids = torch.tensor([model.tokenizer(PROMPT)["input_ids"]])
    with torch.no_grad():
        with edited(model, UNITS, site="heads"):
            found = model.hf(input_ids=ids).logits
        handles = silenced(model.hf, "heads")
        assert_same(found, model.hf(input_ids=ids).logits)
        for handle in handles:
            handle.remove()


def test_a_mask_of_another_model_is_refused(study, tmp_path, capsys):
    path = tmp_path / "mask.csv"
    rows = [(layer, unit, "1") for layer, unit in UNITS]
    masks.write(path, "score", rows, Origin.of("tiny", "0" * 64, "mlp_hidden"), "positive-1.0pct")
    given, wish = options(study, path)
    assert main(["generate", *given]) == 1  # of this name, but other weights
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert "'tiny' (sha256:000000000000), not of 'tiny' (sha256:" in said.err
    assert "--any-model" in said.err
    pd.DataFrame(UNITS, columns=["layer", "unit"]).assign(model="tiny", site="heads").to_csv(path)
    given, _ = options(study, path, model="other")
    assert main(["generate", *given]) == 1
    assert "those of the model 'tiny', not of 'other'" in capsys.readouterr().err
    given, wish = options(study, path, model="other", any_model=True)
    assert len(dict(generate.continuations(*chosen(wish), wish))) == 3
    # Units that there are not are named, whatever the user says.
    far = pd.DataFrame([(0, HEADS)], columns=["layer", "unit"]).assign(model="tiny", site="heads")
    far.to_csv(path)
    assert main(["generate", *given]) == 1
    assert f"no unit {HEADS} in layer 0" in capsys.readouterr().err


def test_masks_of_before_are_refused_with_the_fix(study, tmp_path, capsys):
    (tmp_path / "mask.csv").write_text("layer,unit,score\n0,1,0.5\n")
    given, _ = options(study, tmp_path / "mask.csv")
    assert main(["generate", *given]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "snakemake --cores 1 masks localizers" in said
