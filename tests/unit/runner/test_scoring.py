"""The batched path gives what a plain forward pass gives, whatever the batch."""

import pytest
import torch
from reference import log_probability
from rounding import assert_same
from tiny_models import FAMILIES, tiny_model, tiny_tokenizer

from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.runner.answers import DUAL_SCORES, SINGLE_SCORES, queries_of, score_items
from brodmann.runner.encode import EncodedItem
from brodmann.runner.scoring import Query, Scorer

# What is much the same work in all families is tried on some, and on all by make test-all.
SOME = ("llama", "gemma2", "gpt2", "gpt-neox", "falcon", "bloom", "chatglm")
ALL = [
    pytest.param(family, marks=() if family in SOME else pytest.mark.slow)
    for family in sorted(FAMILIES)
]


def loaded(family):
    return wrap_model(tiny_model(family), tiny_tokenizer(), name=family)


def tokens(*values):
    return tuple(5 + value % 250 for value in values)


def some_items():
    """Dual-answer items of several lengths, with answers of one and of several tokens."""
    items = []
    for n in range(7):
        prompt = tokens(*range(n, n + 4 + n % 3))
        corrupted = (*prompt[:-1], *tokens(97 + n))
        correct = tokens(11 * n, *range(n % 3))
        incorrect = tokens(13 * n + 1, *range(n % 2))
        items.append(EncodedItem(prompt, corrupted, correct, incorrect))
    return items


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_dual_answer_scores_equal_the_reference(family):
    model = tiny_model(family)
    items = some_items()
    scores = score_items("t", items, Scorer(loaded(family)))
    for n, item in enumerate(items):
        expected = [
            log_probability(model, prompt, answer)
            for prompt in (item.clean, item.corrupted)
            for answer in (item.correct, item.incorrect)
        ]
        found = [scores.log_probs[name][n] for name in DUAL_SCORES]
        assert_same(found, expected)


@pytest.mark.parametrize("family", ALL)
def test_single_answer_scores_equal_the_reference(family):
    model = tiny_model(family)
    items = [EncodedItem(i.clean, i.corrupted, i.correct, None) for i in some_items()]
    scores = score_items("t", items, Scorer(loaded(family)))
    for n, item in enumerate(items):
        clean, corrupted = item.clean + item.correct, item.corrupted + item.correct
        expected = [
            log_probability(model, item.clean, item.correct),
            log_probability(model, item.corrupted, item.correct),
            log_probability(model, clean[:1], clean[1:]),
            log_probability(model, corrupted[:1], corrupted[1:]),
        ]
        found = [scores.log_probs[name][n] for name in SINGLE_SCORES]
        assert_same(found, expected)


@pytest.mark.parametrize("batch_tokens", [1, 7, 64, 100_000])
def test_batch_size_does_not_matter(batch_tokens):
    model = loaded("llama")
    whole = score_items("t", some_items(), Scorer(model))
    batched = score_items("t", some_items(), Scorer(model, batch_tokens))
    for name in DUAL_SCORES:
        assert_same(batched.log_probs[name], whole.log_probs[name])


def test_one_token_answers_share_their_prompts_forward_pass():
    scorer = Scorer(loaded("llama"))
    scorer.log_probabilities([Query(tokens(1, 2, 3), tokens(n)) for n in range(50)])
    assert scorer.forward_passes == 1


def test_misaligned_items_are_not_run():
    scorer = Scorer(loaded("llama"))
    aligned = EncodedItem(tokens(1, 2), tokens(1, 3), tokens(4), tokens(5))
    longer = EncodedItem(tokens(1, 2), tokens(1, 2, 3), tokens(4), tokens(5))
    scores = score_items("t", [longer, aligned], scorer)
    assert scores.clean_tokens == [2, 2] and scores.corrupted_tokens == [3, 2]
    assert all(column[0] is None for column in scores.log_probs.values())
    assert all(column[1] is not None for column in scores.log_probs.values())


def test_a_task_without_aligned_items_needs_no_forward_pass():
    scorer = Scorer(loaded("llama"))
    longer = EncodedItem(tokens(1, 2), tokens(1, 2, 3), tokens(4), tokens(5))
    scores = score_items("t", [longer], scorer)
    assert scorer.forward_passes == 0
    assert scores.log_probs == {name: [None] for name in DUAL_SCORES}


def forgetful(limit):
    """A model that runs out of memory above a number of tokens."""
    model = loaded("llama")

    def check(_, args, kwargs):
        if kwargs.get("input_ids", *args[:1]).numel() > limit:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    model.hf.register_forward_pre_hook(check, with_kwargs=True)
    return model


def test_out_of_memory_halves_the_tree_and_goes_on(caplog):
    queries = [Query(tokens(*range(n, n + 8)), tokens(n)) for n in range(20)]
    expected = Scorer(loaded("llama")).log_probabilities(queries)
    model = forgetful(limit=40)
    scorer = Scorer(model, 10_000)
    assert_same(scorer.log_probabilities(queries), expected)
    assert scorer.engine.nodes <= 40
    assert "out of memory" in caplog.text


def test_a_sequence_too_long_for_memory_is_a_clear_error():
    scorer = Scorer(forgetful(limit=4), 10_000)
    with pytest.raises(UserError, match="not enough memory for 8 tokens at once"):
        scorer.log_probabilities([Query(tokens(*range(8)), tokens(1))])


def test_other_errors_are_not_taken_for_lack_of_memory():
    model = loaded("llama")

    def broken(*_):
        raise RuntimeError("shapes cannot be multiplied")

    scorer = Scorer(model)
    model.hf.register_forward_pre_hook(broken)
    with pytest.raises(RuntimeError, match="shapes"):
        scorer.log_probabilities([Query((5,), (6,))])


def test_nan_names_task_and_item():
    model = loaded("llama")
    scorer = Scorer(model)
    with torch.no_grad():
        model.hf.lm_head.weight[:] = float("nan")
    with pytest.raises(UserError, match=r"language/x, item 0: the model gives a log-probability"):
        score_items("language/x", some_items(), scorer)


def few_shot_items():
    """Items after two lists of worked examples, some rows alone in theirs."""
    starts = [tokens(*range(40, 60)), tokens(*range(70, 90)), tokens(*range(9, 29))]
    items = []
    for n in range(13):
        start = starts[n % 2] if n < 11 else starts[2][: -n % 3]
        clean, corrupted = (start + tokens(3 * n, side, 7) for side in (1, 2))
        items.append(EncodedItem(clean, corrupted, tokens(n), tokens(90 + n, *range(n % 2))))
    return items


@pytest.mark.parametrize("family", ALL)
def test_shared_beginnings_are_run_once_and_change_nothing(family):
    plain, model = tiny_model(family), loaded(family)
    items = few_shot_items()
    queries = [query for item in items for query in queries_of(item)]
    expected = [log_probability(plain, query.context, query.target) for query in queries]
    for batch_tokens in (None, 1, 50):
        assert_same(Scorer(model, batch_tokens).log_probabilities(queries), expected)


def test_sharing_saves_tokens():
    model = loaded("llama")
    scorer, seen = Scorer(model), []
    model.hf.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs.get("input_ids", *args[:1]).numel()),
        with_kwargs=True,
    )
    items = few_shot_items()
    score_items("t", items, scorer)
    rows = {query.row for item in items for query in queries_of(item)}
    assert sum(seen) < 0.3 * sum(map(len, rows))


def test_texts_longer_than_the_table_of_positions_are_refused():
    scorer = Scorer(loaded("gpt2"))
    with pytest.raises(UserError, match="a text of 513 tokens; the model reads at most 512"):
        scorer.log_probabilities([Query(tokens(1), tokens(*range(513)))])
    assert len(scorer.log_probabilities([Query(tokens(1), tokens(*range(512)))])) == 1
