"""What a model's card says of the way it is run and of massive activations, and what cards of stored checks
say that did not note it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from naive_sites import naive_activations
from tiny_models import save_tiny, tiny_model, tiny_tokenizer
from tokenizers.processors import TemplateProcessing

from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.files import canonical_json
from brodmann.models import used_sites as sites
from brodmann.models.card import ModelCard
from brodmann.models.load import wrap_model
from brodmann.pipeline.models import check_model, fetch_weights
from brodmann.runner.massive import massive_of
from brodmann.store.store import Store, _records


@pytest.fixture
def studied(root, tmp_path, monkeypatch):
    """A study of the tiny model, with these settings of localizers; without any, with none of them."""
    monkeypatch.chdir(tmp_path)

    def study(**localizer):
        config = {
            "models": {"m": {"source": f"path:{tmp_path / 'model'}"}},
            "localizer": localizer or {"networks": []},
            "execution": {"device": "cpu", "cache": str(tmp_path / "cache")},
        }
        Path("config.yaml").write_text(json.dumps(config))
        return load_config([Path("config.yaml")], root=root).study

    return study


@pytest.fixture
def checked(studied):
    """Check a tiny model of a family for a study: its card. The store is kept."""

    def check(family, **localizer):
        if not Path("model").exists():
            save_tiny("model", family)
        study = studied(**localizer)
        fetch_weights(study, "m", "source.json")
        files = {"record_file": "source.json", "store": "store", "output": "model.json"}
        check_model(study, "m", **files, threads=1)
        return ModelCard.read("model.json")

    return check


@pytest.mark.parametrize(
    ("family", "reason"), [("llama", ""), ("bloom", "its code takes no position_ids")]
)
def test_the_card_says_whether_packs_are_taken_and_why_not(checked, family, reason):
    card = checked(family)
    # Bloom's cache can be gone on from all the same.
    more = {"shares": True} if reason else {}
    assert card.packs == {"taken": not reason, "reason": reason, **more}
    assert checked(family) == card


def without(*names):
    """Take the store's only check back to when it did not note these."""
    shards = list(Path("store/check").iterdir())
    [(key, _)] = (record for shard in shards for record in _records(shard))
    with Store(Path("store/check")) as checks:
        facts = json.loads(checks.get(key))
    for name in names:
        del facts[name]
    for shard in shards:
        shard.unlink()
    with Store(Path("store/check")) as checks:
        checks.put(key, canonical_json(facts))


def loads():
    """Loads of the model by each check so far."""
    ledger = [json.loads(line) for line in Path("store/ledger.jsonl").read_text().splitlines()]
    return [entry["model_loads"] for entry in ledger]


def test_a_stored_check_that_did_not_note_it_stands(checked):
    card = checked("llama")
    before = Path("model.json").read_text()
    without("packs", "massive")
    again = checked("llama", massive="keep")
    assert again.packs is again.massive is None and again.identity() == card.identity()
    written = json.loads(before)
    del written["packs"], written["massive"]
    assert json.loads(Path("model.json").read_text()) == written
    assert loads() == [1, 0]


def test_a_study_that_leaves_massive_activations_out_has_an_earlier_check_made_again(
    checked, studied
):
    first = checked("llama")
    kept, out = studied(massive="keep"), studied(massive="exclude")
    # The residual stream is always looked at; neurons where they count.
    assert set(first.massive) == {"attention_output", "mlp_output", "block_output"}
    assert sites.not_looked_at(out, "m", "model.json") == []
    without("massive")
    before = checked("llama", massive="keep")
    with pytest.raises(UserError, match="did not look for massive activations of block_output"):
        before.massive_units("block_output")
    assert sites.not_looked_at(kept, "m", "model.json") == []
    assert sites.not_looked_at(out, "m", "model.json") == ["block_output"]
    again = checked("llama", massive="exclude")
    assert sites.not_looked_at(out, "m", "model.json") == []
    assert again.massive_units("block_output") == () and loads() == [1, 0, 1]
    assert (again.identity(), again.architecture) == (first.identity(), first.architecture)
    # As any site that another study did not look at.
    neurons = checked("llama", massive="exclude", site="mlp_hidden")
    assert set(neurons.massive) == {*first.massive, "mlp_hidden"} and loads() == [1, 0, 1, 1]


@pytest.mark.parametrize("special", [False, True])
def test_a_planted_sink_is_found_where_it_is(special):
    """The MLP of layer 1 adds 1,000 to dimension 7 of the residual stream, whatever it reads."""
    hf, tokenizer = tiny_model("gpt2"), tiny_tokenizer()
    with torch.no_grad():
        hf.transformer.h[1].mlp.c_proj.bias[7] = 1000
    if special:  # all texts then begin alike
        tokenizer._tokenizer.post_processor = TemplateProcessing("<s> $A", None, [("<s>", 1)])
    model = wrap_model(hf, tokenizer, name="sink")
    found = massive_of(model, ("mlp_output", "block_output", "mlp_hidden"))
    places = {site: [(one["layer"], one["unit"]) for one in own] for site, own in found.items()}
    assert places["mlp_output"] == [(1, 7)]
    assert places["block_output"] == [(1, 7), (2, 7)]
    assert places["mlp_hidden"] == []
    openings = ["<s>"] if special else ["T", "A", "I", "S", "M", "W"]
    values = np.abs(
        [
            naive_activations(model, tokenizer(one)["input_ids"][:1], "block_output")[:, 0]
            for one in openings
        ]
    )
    for one in found["block_output"]:
        layer = np.median(values[:, one["layer"]], axis=0)
        assert one["activation"] == pytest.approx(1000, rel=0.02)
        # Over other texts than these.
        assert one["layer_median"] == pytest.approx(np.median(layer), rel=1)


def test_a_layer_whose_median_unit_is_silent_has_no_massive_activation():
    """Most ReLU neurons are silent: each active one is more than 100 times as active as the median."""
    hf = tiny_model("gpt2")
    with torch.no_grad():
        for block in hf.transformer.h:
            block.mlp.act = torch.nn.ReLU()
            block.mlp.c_fc.bias[:100] = -1000
    model = wrap_model(hf, tiny_tokenizer(), name="relu")
    silent = naive_activations(model, tiny_tokenizer()("The")["input_ids"][:1], "mlp_hidden")[:, 0]
    assert (np.median(np.abs(silent), axis=1) == 0).all() and (np.abs(silent) > 0).any()
    assert massive_of(model, ["mlp_hidden"]) == {"mlp_hidden": []}
