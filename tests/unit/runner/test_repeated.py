"""Rows that are run again and again under edits, against plain transformers with the same edits."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_sites import naive_activations
from reference import log_probability
from rounding import assert_same, deviation, rounding
from tiny_models import FAMILIES, tiny_model, tiny_tokenizer

from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.networks.extraction import Extractor
from brodmann.runner import repeated as repeated_module
from brodmann.runner.activations import Activations
from brodmann.runner.edits import edited
from brodmann.runner.engine import Engine
from brodmann.runner.repeated import Features, Scored
from brodmann.runner.scoring import Query, Scorer
from brodmann.runner.trees import Tree

QUERIES = [
    Query((5, 9, 12, 7), (8, 30)),
    Query((5, 9, 12, 7), (31,)),
    Query((5, 9, 40), (41, 42, 43)),
    Query((60,), (61, 62, 63, 64, 65, 66, 67)),
    Query((5, 9, 12, 7), (8, 33)),
    Query((70, 71, 72), (73,)),
]
ROWS = [query.context for query in QUERIES]


def expected_scores(model):
    return [log_probability(model.hf, query.context, query.target) for query in QUERIES]


@pytest.mark.parametrize("family", FAMILIES)
def test_edits_from_below_and_back_again(models, family):
    """Each goes on from the intact blocks below it: two edits of one layer, higher ones, then a lower one."""
    model = models(family)
    scored = Scored(Engine(model, batch_tokens=12), QUERIES)
    top = model.n_layers - 1
    intact = scored.log_probabilities()
    assert_same(intact, expected_scores(model))
    for site in ("mlp_output", "block_output"):
        for layer in (1, 1, top, 0, 1):
            with edited(model, [(layer, 3), (top, 17)], "multiply", 3.0, site=site):
                found = scored.log_probabilities(floor=layer)
                assert_same(found, expected_scores(model))
                # What is intact below is intact below a higher floor, too.
                assert_same(scored.log_probabilities(), found)
            assert deviation(found, intact) > 10 * rounding()


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_what_enters_the_final_norm(models, family):
    model = models(family)
    features = Features(Engine(model, batch_tokens=9), ROWS)
    top = model.n_layers - 1
    kept = []

    def keep(_, inputs):
        flip = model.architecture.layout == "sequence_first"
        kept.append((inputs[0].transpose(0, 1) if flip else inputs[0])[0, -1].clone())

    def expected():
        kept.clear()
        norm = model.hf.get_submodule(model.architecture.final_norm)
        handle = norm.register_forward_pre_hook(keep)
        with torch.no_grad():
            for row in ROWS:
                model.hf(input_ids=torch.tensor([row]))
        handle.remove()
        return torch.stack(kept)

    intact = features.last()
    assert intact.dtype == np.float32
    assert_same(intact, expected())
    # Also an edit of the last block's output, which nothing runs after.
    for site, layer in (("mlp_output", 1), ("block_output", top)):
        with edited(model, [(layer, 3)], "multiply", 5.0, site=site):
            found = features.last(floor=layer)
            assert_same(found, expected())
        assert deviation(found, intact) > 10 * rounding()


def calls_of(model, layer, run):
    """How often a block's MLP is run; not on the single token by which the engine gets to know blocks."""
    seen = []
    mlp = model.hf.get_submodule(f"{model.architecture.blocks}.{layer}.mlp")
    handle = mlp.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1]))
    run()
    handle.remove()
    return sum(tokens > 1 for tokens in seen)


def test_blocks_below_the_lowest_edit_are_run_once(models):
    model = models("llama")
    scored = Scored(Engine(model), QUERIES)

    def edits():
        for unit in range(5):
            with edited(model, [(2, unit)], site="mlp_output"):
                scored.log_probabilities(floor=2)

    assert calls_of(model, 0, edits) == 1
    assert calls_of(model, 0, edits) == 0  # what is known stays known
    assert calls_of(model, 2, edits) == 5

    def upwards():
        for layer in (1, 2):
            with edited(model, [(layer, 0)], site="mlp_output"):
                scored.log_probabilities(floor=layer)

    scored = Scored(Engine(model), QUERIES)
    assert calls_of(model, 0, upwards) == 1
    scored = Scored(Engine(model), QUERIES)
    assert calls_of(model, 1, upwards) == 2  # for the edit in it, and intact for the one above


def test_trees_and_masks_are_made_once(models, monkeypatch):
    engine = Engine(models("llama"), batch_tokens=12)
    made = []
    ancestry = Tree.ancestry
    monkeypatch.setattr(Tree, "ancestry", lambda *a: made.append(a) or ancestry(*a))
    scored = Scored(engine, QUERIES)
    assert not made
    scored.log_probabilities()
    trees = len(made)
    assert trees > 1
    for floor in (1, 1, 2):
        scored.log_probabilities(floor)
    assert len(made) == trees


def test_blocks_that_take_more_than_their_input_from_below_are_run(models):
    """The last block adds what the first one's MLP put out; it is not to be had without running that."""
    model = wrap_model(tiny_model("llama"), tiny_tokenizer(), name="leaps")
    layers, kept = model.hf.model.layers, []
    layers[0].mlp.register_forward_hook(lambda _, __, output: kept.append(output))
    layers[2].mlp.register_forward_hook(
        lambda _, __, output: output + kept[-1][:, : output.shape[1]]
    )
    engine = Engine(model)
    assert engine.packs and not engine.skips and Engine(models("llama")).skips
    scored = Scored(engine, QUERIES)
    with edited(model, [(2, 3)], "multiply", 3.0, site="mlp_output"):
        found = scored.log_probabilities(floor=2)
        assert_same(found, expected_scores(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_packs_may_skip_blocks(models, family):
    engine = Engine(models(family))
    assert engine.skips == engine.packs


def test_without_room_for_what_is_known_everything_is_run(models, monkeypatch):
    model = models("llama")
    with edited(model, [(2, 3)], site="mlp_output"):
        expected = expected_scores(model)
        monkeypatch.setattr(repeated_module, "MOST_KEPT", 0)
        scored = Scored(Engine(model), QUERIES)
        found = []
        assert calls_of(model, 0, lambda: found.extend(scored.log_probabilities(2))) == 1
        assert_same(found, expected)


def test_out_of_memory_makes_smaller_trees_that_stay(models, monkeypatch):
    model = models("llama")
    engine = Engine(model)
    scored = Scored(engine, QUERIES)
    run, sizes = engine.run, []

    def scarce(query):
        sizes.append(len(query.tree))
        if len(query.tree) > 8:
            raise torch.OutOfMemoryError("out of memory")
        return run(query)

    monkeypatch.setattr(engine, "run", scarce)
    assert_same(scored.log_probabilities(), expected_scores(model))
    assert max(sizes) > 8
    sizes.clear()
    assert_same(scored.log_probabilities(), expected_scores(model))
    assert sizes and max(sizes) <= 8
    monkeypatch.setattr(engine, "run", lambda _: scarce(_) and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scored.log_probabilities()


def test_features_that_are_not_finite_are_refused():
    hf = tiny_model("llama")
    hf.model.embed_tokens.weight.data[7] = float("nan")
    broken = wrap_model(hf, tiny_tokenizer(), name="broken")
    with pytest.raises(UserError, match="broken gives some that are not finite"):
        Features(Engine(broken), ROWS).last()


some_rows = st.lists(
    st.lists(st.integers(5, 8), min_size=2, max_size=9).map(tuple), min_size=1, max_size=6
)


@settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(some_rows, st.sampled_from((1, 7, 16, 64)), st.sampled_from(("mean", "last-token", "sum")))
@pytest.mark.parametrize("family", ["gemma2", "bloom"])
def test_any_texts_in_any_order_and_company(models, family, rows, size, pooling):
    """Few tokens: most texts share a beginning. Alone, plainly, and in trees of any size."""
    model = models(family)
    alone = [naive_activations(model, row, "mlp_output").numpy() for row in rows]
    pool = {
        "mean": lambda own: own.mean(1),
        "sum": lambda own: own.sum(1),
        "last-token": lambda own: own[:, -1],
    }
    pooled = np.zeros((len(rows), model.n_layers, model.hidden_size))
    source = Activations(model, site="mlp_output", batch_tokens=size)
    seen = []
    for numbers, values in source.pooled(rows, pooling):
        pooled[numbers] = values
        seen += numbers
    assert sorted(seen) == list(range(len(rows)))
    assert_same(pooled, np.stack([pool[pooling](own) for own in alone]))
    signals = dict(Extractor(model, batch_tokens=size).runs(rows))
    for number, own in enumerate(alone):
        expected = own.transpose(1, 0, 2).reshape(len(rows[number]), -1)
        assert_same(signals[number], expected)
    engine = Engine(model, batch_tokens=size)
    queries = [Query(row[:1], row[1:]) for row in rows]
    expected = [log_probability(model.hf, row[:1], row[1:]) for row in rows]
    assert_same(Scored(engine, queries).log_probabilities(), expected)
    assert_same(Scorer(model, engine=engine).log_probabilities(queries), expected)
