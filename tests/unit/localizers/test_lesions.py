"""Lesions of a running model against plain hooks, for scoring, generation and nnsight."""

import math

import nnsight
import numpy as np
import pytest
import torch
from naive_sites import SOME, naive_activations, rows_of, site_module
from reference import log_probability
from rounding import assert_same, deviation, rounding
from tiny_models import FAMILIES

from brodmann.errors import UserError
from brodmann.localizers.lesion import lesion
from brodmann.runner import generation
from brodmann.runner.activations import Activations
from brodmann.runner.context import Context, Reader
from brodmann.runner.generation import continuation
from brodmann.runner.perplexity import Passages, passage_queries
from brodmann.runner.scoring import Query, Scorer
from brodmann.sites import UNIT_SITES
from brodmann.stimuli.texts import read_passages

UNITS = [(0, 3), (0, 17), (1, 0), (2, 31), (2, 8)]
TEXT = "the cat sat"


def ids(model, text=TEXT):
    return torch.tensor([model.tokenizer(text)["input_ids"]])


def naive_hooks(model, units, site, values=None):
    """Plain hooks that multiply by a mask (or write values); returns their handles."""
    handles = []
    for layer in range(model.n_layers):
        keep = torch.ones(model.width(site))
        new = torch.zeros(model.width(site))
        for at, unit in units:
            if at == layer:
                keep[unit] = 0
                new[unit] = 0.0 if values is None else float(values[layer, unit])

        def edit(value, keep=keep, new=new):
            return value * keep + new

        def after(_, __, output, edit=edit):
            packed = isinstance(output, tuple | list)
            return (edit(output[0]), *output[1:]) if packed else edit(output)

        module = site_module(model, site, layer)
        if site == "mlp_hidden":
            handles.append(
                module.register_forward_pre_hook(lambda m, a, edit=edit: (edit(a[0]), *a[1:]))
            )
        else:
            handles.append(module.register_forward_hook(after))
    return handles


def logits(model, text=TEXT):
    with torch.no_grad():
        return model.hf(input_ids=ids(model, text)).logits[0]


def naive_logits(model, units, site, values=None):
    handles = naive_hooks(model, units, site, values)
    try:
        return logits(model)
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=pytest.mark.slow) if family == "gemma3-wrapped" else family
        for family in FAMILIES
    ],
)
def test_logits_equal_plain_hooks(models, family):
    model = models(family)
    intact = logits(model)
    for site in UNIT_SITES if family in SOME else UNIT_SITES[:1]:
        means = Activations(model, site=site).means(rows_of(model, [TEXT, "a dog"]))
        for kind, values in (("zero", None), ("mean", means)):
            expected = naive_logits(model, UNITS, site, values)
            with lesion(model, UNITS, site=site, kind=kind, means=values):
                found = logits(model)
            assert_same(found, expected)
            assert deviation(expected, intact) > 10 * rounding()
    assert_same(logits(model), intact)  # nothing is left behind


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_generation_equals_running_the_whole_text_anew(models, family, monkeypatch):
    monkeypatch.setattr(generation, "_end_tokens", lambda *_: set())
    model = models(family)
    expected = ids(model)
    handles = naive_hooks(model, UNITS, "block_output")
    for _ in range(8):
        with torch.no_grad():
            best = model.hf(input_ids=expected).logits[:, -1].argmax(-1)
        expected = torch.cat([expected, best[:, None]], dim=1)
    for handle in handles:
        handle.remove()
    made = expected[0, ids(model).shape[1] :].tolist()
    made = model.tokenizer.decode(made, skip_special_tokens=True)
    with lesion(model, UNITS):
        assert continuation(Reader(model), TEXT, tokens=8) == made
        if not family.startswith("chatglm"):  # has no generation of its own
            assert generate(model).tolist() == expected.tolist()


def generate(model):
    return model.hf.generate(
        ids(model),
        attention_mask=torch.ones_like(ids(model)),
        max_new_tokens=8,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )


def test_sampled_continuations_depend_on_the_seed_alone(models):
    reader = Reader(models("llama"))
    texts = [continuation(reader, TEXT, temperature=2.0, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    cold = continuation(reader, TEXT, temperature=1e-4)
    assert cold == continuation(reader, TEXT)


def test_a_continuation_stops_at_the_end_of_the_text(models, monkeypatch):
    reader = Reader(models("llama"))
    tokens = []

    def scripted(context, ids):
        tokens.append(ids)
        logits = torch.zeros(1, 1, models("llama").vocabulary_size)
        logits[..., 2 if len(tokens) == 3 else 70] = 1
        return logits

    monkeypatch.setattr(reader, "logits", scripted)
    text = continuation(reader, TEXT, tokens=9)
    assert len(text) == 2 and len(tokens) == 3


@pytest.mark.parametrize("family", SOME)
def test_a_lesion_of_nothing_changes_nothing(models, family):
    model = models(family)
    reader = Reader(model)
    intact, text = logits(model), continuation(reader, TEXT, tokens=5)
    for nothing in ([], np.zeros((model.n_layers, model.hidden_size), dtype=bool)):
        with lesion(model, nothing):
            assert_same(logits(model), intact)
            assert continuation(reader, TEXT, tokens=5) == text


@pytest.mark.parametrize("family", SOME)
def test_scoring_with_a_shared_prefix_is_lesioned_throughout(models, family):
    """Batches, a KV cache, many answers: as one whole text at a time."""
    model = models(family)
    prefix = tuple(model.tokenizer("of all the things that could be said here, ")["input_ids"])
    answers = [tuple(model.tokenizer(w)["input_ids"]) for w in ("ab", "cd", "ef", "gh", "ijk")]
    queries = [Query(prefix + answer[:1], answer[1:]) for answer in answers]
    scorer = Scorer(model)
    intact = scorer.log_probabilities(queries)
    with lesion(model, UNITS):
        found = scorer.log_probabilities(queries)
    handles = naive_hooks(model, UNITS, "block_output")
    expected = [log_probability(model.hf, query.context, query.target) for query in queries]
    for handle in handles:
        handle.remove()
    assert_same(found, expected)
    assert deviation(found, intact) > 10 * rounding()


@pytest.mark.parametrize("family", ["llama", "chatglm"])
def test_nnsight_sees_the_lesion(models, family):
    model = models(family)
    reader = Reader(model)
    with lesion(model, UNITS):
        expected = logits(model)[-1]
        with torch.no_grad(), reader.trace(Context(ids(model)[:, :0], None), ids(model)):
            found = nnsight.save(model.nn.output.logits[0, -1])
    assert_same(found, expected)


def test_masks_pairs_and_nested_lesions_are_the_same(models):
    model = models("llama")
    mask = np.zeros((model.n_layers, model.hidden_size), dtype=bool)
    for unit in UNITS:
        mask[unit] = True
    with lesion(model, UNITS):
        expected = logits(model)
    with lesion(model, mask):
        assert_same(logits(model), expected)
    with lesion(model, UNITS[:2]), lesion(model, [*UNITS[2:], UNITS[2]]):
        assert_same(logits(model), expected)


def test_hooks_go_when_the_block_fails(models):
    model = models("llama")
    intact = logits(model)
    with pytest.raises(RuntimeError), lesion(model, UNITS):
        raise RuntimeError
    assert_same(logits(model), intact)


def test_bad_lesions_are_named(models):
    model = models("llama")
    for units, message in (
        ([(3, 0)], "no unit 0 in layer 3 .*3 layers of 32 units; is the mask of another model"),
        ([(0, 32)], "no unit 32 in layer 0"),
        ([(-1, 0)], "no unit 0 in layer -1"),
        (np.ones((3, 31), dtype=bool), r"the mask is \[3, 31\], llama has \[3, 32\] units"),
    ):
        with pytest.raises(UserError, match=message), lesion(model, units):
            pass
    with pytest.raises(UserError, match="did you mean 'zero'"), lesion(model, [], kind="zeros"):
        pass
    with pytest.raises(ValueError, match="means"), lesion(model, UNITS, kind="mean"):
        pass


def test_perplexity_is_that_of_its_definition(models, tmp_path):
    model = models("llama")
    path = tmp_path / "prose.txt"
    path.write_text("One day it rained.\nThen it\n  stopped.\n\n\n \nThe sun rose.\n\n")
    passages = read_passages(path)
    assert passages == ["One day it rained. Then it stopped.", "The sun rose."]
    queries = passage_queries(model.tokenizer, passages)
    found = Passages.of(passages, queries, Scorer(model).log_probabilities(queries))
    rows = [model.tokenizer(text)["input_ids"] for text in passages]
    expected = [log_probability(model.hf, row[:1], row[1:]) for row in rows]
    assert_same(found.log_probs, expected)
    tokens = sum(len(row) - 1 for row in rows)
    assert found.perplexity == pytest.approx(math.exp(-sum(expected) / tokens), rel=1e-4)
    assert found.word_perplexity == pytest.approx(math.exp(-sum(expected) / 10), rel=1e-4)
    path.write_text("Only one.")
    with pytest.raises(UserError, match=r"prose.txt: 1 passages"):
        read_passages(path)


def test_the_naive_activations_are_not_lesioned_by_chance(models):
    assert (naive_activations(models("llama"), [5, 6, 7], "block_output") != 0).all()
