"""Models whose layers keep a state, and windows that fill up: as whole sequences in plain transformers.

A recurrent state is changed in place, so that contexts which share it would change each other's; such a
model either agrees with the naive reference or is refused with a clear line.
"""

import pytest
import torch
from example_items import item
from naive_circuits import LONG, SHARED, agrees, items
from rounding import assert_same
from tiny_hybrids import HYBRIDS
from tiny_models import tiny_model, tiny_tokenizer, with_window
from transformers.cache_utils import (
    Cache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionCacheLayerMixin,
    LinearAttentionLayer,
)

from brodmann.capacity.model_config import ModelConfig
from brodmann.circuits.ablation import Ablator, Lesion
from brodmann.models.load import wrap_model
from brodmann.models.selfcheck import self_check
from brodmann.runner import cache_trial, generation
from brodmann.runner.context import Reader, cache_works
from brodmann.runner.engine import Engine
from brodmann.runner.generation import continuation
from brodmann.runner.lengths import Lengths
from brodmann.runner.queries import Gradient, Query, Scores
from brodmann.runner.trees import Tree


@pytest.fixture(scope="module")
def falcon_h1():
    return wrap_model(tiny_model(HYBRIDS["falcon-h1"]), tiny_tokenizer(), name="falcon-h1")


@pytest.mark.parametrize("component", ["neurons", "heads"])
def test_attention_and_a_recurrent_state_side_by_side(falcon_h1, component):
    self_check(falcon_h1)
    agrees(falcon_h1, SHARED, component)


def test_a_recurrent_state_is_followed_in_generation(falcon_h1, monkeypatch):
    monkeypatch.setattr(generation, "_end_tokens", lambda *_: set())
    text = torch.tensor([falcon_h1.tokenizer("the cat sat")["input_ids"]])
    start = text.shape[1]
    for _ in range(6):
        with torch.no_grad():
            best = falcon_h1.hf(input_ids=text).logits[:, -1].argmax(-1)
        text = torch.cat([text, best[:, None]], dim=1)
    expected = falcon_h1.tokenizer.decode(text[0, start:].tolist(), skip_special_tokens=True)
    assert continuation(Reader(falcon_h1), "the cat sat", tokens=6) == expected


@pytest.mark.parametrize("wrong", ["rows", "beginning"])
def test_the_trial_alone_finds_out_a_state_that_cannot_be_gone_on_from(monkeypatch, wrong):
    """Rows that are repeated in another order; a recurrence that begins anew."""
    hf = tiny_model(HYBRIDS["qwen3-next"])
    reader = Reader(wrap_model(hf, tiny_tokenizer(), name="qwen3-next"))
    assert reader.caches and not cache_trial.all_attention(reader.model)
    select, state = LinearAttentionLayer.reorder_cache, Cache.get_recurrent_state
    if wrong == "rows":
        monkeypatch.setattr(
            *(LinearAttentionCacheLayerMixin, "reorder_cache"),
            lambda layer, rows: select(layer, rows.flip(0).roll(1)),
        )
    else:
        monkeypatch.setattr(
            Cache, "get_recurrent_state", lambda *args, **more: 0 * state(*args, **more)
        )
    assert not cache_trial.passes(reader)


def test_the_gradient_of_one_token_after_a_state(falcon_h1):
    """A recurrence goes on by one token by changing its state: for gradients rows are read whole."""
    model, row = falcon_h1, (5, 6, 7, 8, 9, 10, 11)
    engine, past = Engine(model), Tree()
    nodes = past.add(row[:-1])
    before = engine.run(Query(past, keep=True)).past
    tree = Tree(past=past)
    [node] = tree.add(row[-1:], hangs=nodes[-1])
    gradient = Gradient([1.0], [("mlp_hidden", 1)], [node])
    query = Query(tree, past=before, scores=Scores([node], [12]), gradient=gradient)
    found = engine.run(query).gradients["mlp_hidden", 1]
    seen = []

    def keep(_, args):
        seen.append(args[0].detach().requires_grad_(True))
        return (seen[0], *args[1:])

    path = model.path("mlp_hidden", 1)
    handle = model.hf.get_submodule(path).register_forward_pre_hook(keep)
    try:
        score = model.hf(torch.tensor([row])).logits[0, -1].log_softmax(-1)[12]
    finally:
        handle.remove()
    [expected] = torch.autograd.grad(score, seen)
    assert_same(found[0], expected[0, -1])


@pytest.mark.parametrize("wrong", ["repeated", "read on"])
def test_the_trial_finds_out_whatever_goes_wrong_with_a_cache(models, monkeypatch, caplog, wrong):
    """One step that does not do what it is for is enough for the plain route."""
    reader = Reader(models("llama"))
    assert reader.caches and cache_trial.passes(reader)
    update, select = DynamicLayer.update, DynamicLayer.batch_select_indices

    def in_another_order(layer, rows):
        select(layer, rows.flip(0).roll(1))

    def without_the_last(layer, *args, **kwargs):
        """What is read on is seen by its own run, and not kept."""
        before = layer.keys, layer.values
        found = update(layer, *args, **kwargs)
        if before[0] is not None:
            layer.keys, layer.values = before
        return found

    if wrong == "repeated":
        monkeypatch.setattr(DynamicLayer, "batch_select_indices", in_another_order)
    else:
        monkeypatch.setattr(DynamicLayer, "update", without_the_last)
    with caplog.at_level("INFO"):
        assert not cache_trial.passes(reader)
    assert "its cache changes its logits" in caplog.text


def test_equal_rows_are_read_once(models):
    """In any order, with those of other rows between; each goes on on its own."""
    model = models("llama")
    reader, ran = Reader(model), []
    rows = [(5, 6, 7), (8, 6, 7), (5, 6, 7), (9, 9, 9), (8, 6, 7)]
    more = torch.tensor([[n, n + 1] for n in range(20, 25)])
    handle = model.hf.register_forward_pre_hook(
        lambda _, args, options: ran.append(options["input_ids"].tolist()), with_kwargs=True
    )
    try:
        context = reader.read(rows)
        found = [reader.logits(context, more[:, n : n + 1])[:, -1] for n in range(2)]
    finally:
        handle.remove()
    assert ran[0] == [[5, 6, 7], [8, 6, 7], [9, 9, 9]]
    for row, own in enumerate(rows):
        whole = torch.tensor([[*own, *more[row].tolist()]])
        with torch.no_grad():
            expected = model.hf(whole).logits[0, 3:]
        assert_same(torch.stack(found, dim=1)[row], expected)


@pytest.mark.parametrize(
    "family",
    ["mistral", "phi3", "qwen2", "gemma2", "gemma3", "olmo3", "ministral", "cohere2", "exaone4"],
)
def test_prompts_longer_than_a_sliding_window(family):
    """Windows of every family of the table that has them, filled by the context and by its answers."""
    model = wrap_model(with_window(family, 7), tiny_tokenizer(), name=family)
    windows = {
        getattr(layer, "sliding_window", None) for layer in cache_trial.new_cache(model).layers
    }
    assert 7 in windows
    assert Reader(model).caches
    agrees(model, items(LONG) + items("say "), "neurons")


def test_a_window_that_a_cache_does_not_keep_is_found_out(monkeypatch, caplog):
    """A cache that goes wrong beyond its window is right for short contexts only."""
    reader = Reader(wrap_model(with_window("mistral", 24), tiny_tokenizer(), name="mistral"))
    assert reader.caches
    update = DynamicSlidingWindowLayer.update

    def forgetful(self, *args, **kwargs):
        found = update(self, *args, **kwargs)
        if self.cumulative_length > self.sliding_window:
            self.keys, self.values = self.keys * 0, self.values * 0
        return found

    monkeypatch.setattr(DynamicSlidingWindowLayer, "update", forgetful)
    with caplog.at_level("INFO"):
        assert not cache_trial.passes(reader)
    assert "its cache changes its logits" in caplog.text


@pytest.mark.parametrize("family", ["lfm2", "jamba"])
def test_plans_count_what_lesions_run(family):
    """Tokens that are looked up under lesions to corrupted activations; a model that does not go on from a
    state reads every prompt whole."""
    model = wrap_model(tiny_model(HYBRIDS[family]), tiny_tokenizer(), name=family)
    shares = ModelConfig({}, model.hf.config.to_dict()).shares
    assert cache_works(model) == shares == (family == "lfm2")
    shown = [f"the old map of the city shows {n} bridges, and on the last a" for n in range(12)]
    asked = [item(f"{text} cat", f"{text} dog", "x", "y") for text in shown]
    lesions = [Lesion.of([unit], model.units("mlp_hidden")) for unit in range(20)]
    seen = []
    table = model.hf.get_input_embeddings()
    handle = table.register_forward_hook(lambda _, given, __: seen.append(given[0].numel()))
    Ablator(model, batch_tokens=600).scores(asked, lesions, "corrupted")
    handle.remove()
    own = Lengths.of(asked)
    own = own.by_states(600) if shares else own.alone
    planned = len(asked) * (own.asked(both=True) + len(lesions) * own.changed)
    assert 0.9 < planned / sum(seen) < 1.4
