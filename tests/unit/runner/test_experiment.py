"""Edit experiments: what is compared with what, how records are named, and what an edited model is asked."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from reference import log_probability
from rounding import assert_same
from scipy.stats import binomtest, wilcoxon
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.runner.bench import Bench
from brodmann.runner.experiment import (
    CORPUS,
    Edit,
    Experiment,
    applied,
    corpus_rows,
    name_of,
    p_values,
    require_finite,
    rows_of,
    with_every_q,
)
from brodmann.runner.prompting import PromptPlan
from brodmann.runner.target import Target
from brodmann.significance import effects
from brodmann.tasks.items import Item, TaskItems

PLAN = PromptPlan("completion", wrapped=False)
INTACT = Edit("intact", {"condition": "intact"})


def edit(label: str, group: str, control: bool = False, units=(1,)) -> Edit:
    return Edit(
        label,
        {"condition": label},
        np.array(units),
        "inhibit",
        group=group,
        control=control,
    )


EDITS = [
    INTACT,
    edit("lesion", "a"),
    edit("random 1", "a", control=True),
    edit("random 2", "a", control=True),
    edit("alone", "b"),
]


def test_each_edit_is_tested_against_the_intact_model_and_its_own_random_controls():
    rng = np.random.default_rng(3)
    values = [rng.normal(size=12) + shift for shift in (0, 0.6, 0.1, 0.2, 0.3)]
    found = p_values(EDITS, values, effects.rank_test)

    def p(own, others):
        return wilcoxon(own - np.mean(others, axis=0)).pvalue

    assert found[0] == {}
    assert found[1] == pytest.approx(
        {"p": p(values[1], [values[0]]), "p_random": p(values[1], values[2:4])}
    )
    # Random units are controls, and have none; what nothing is drawn for has none either.
    assert found[2] == pytest.approx({"p": p(values[2], [values[0]])})
    assert found[4] == pytest.approx({"p": p(values[4], [values[0]])})


def test_a_single_control_is_mcnemars_test():
    own = np.array([1, 1, 1, 1, 1, 1, 0, 0, 1.0])
    other = np.array([0, 0, 0, 0, 0, 1, 1, 0, 1.0])
    edits = [INTACT, edit("lesion", "a"), edit("random", "a", control=True)]
    found = p_values(edits, [other, own, other], effects.sign_test)
    assert found[1]["p_random"] == pytest.approx(binomtest(5, 6).pvalue)


def test_rows_of_the_corpus():
    """Perplexity per token is tested; per word it is the same question again."""
    records = [
        {"log_probs": [-2.0 - n, -4.0, -3.0], "tokens": [2, 4, 3], "words": [1, 2, 3]}
        for n in range(len(EDITS))
    ]
    rows = with_every_q(corpus_rows(EDITS, records, seed=1))
    assert [row["measure"] for row in rows] == ["perplexity"] * 5 + ["word_perplexity"] * 5
    assert [row["condition"] for row in rows[:5]] == [own.label for own in EDITS]
    assert rows[1]["value"] == pytest.approx(math.exp(10 / 9))
    assert rows[6]["value"] == pytest.approx(math.exp(10 / 6))
    assert {row["intact"] for row in rows[:5]} == {rows[0]["value"]}
    assert "p" not in rows[0] and "p" in rows[1] and "p_random" in rows[1]
    assert not any("p" in row for row in rows[5:])
    assert math.isnan(rows[6]["q"]) and math.isfinite(rows[1]["q"])


def test_tests_stand_with_the_first_measure():
    value = effects.Value(1, 0.5, 0.0, 1.0)
    values = {"accuracy": [value] * 2, "f1": [value] * 2}
    rows = rows_of(EDITS[:2], "formal/sums", values, [{}, {"p": 0.25}])
    assert [(row["measure"], row.get("p")) for row in rows] == [
        ("accuracy", None),
        ("accuracy", 0.25),
        ("f1", None),
        ("f1", None),
    ]


def test_the_first_value_that_is_none_is_named():
    values = np.array([[1.0, 2.0], [math.inf, math.nan]])
    require_finite(values[:1], str, "gives", "")
    with pytest.raises(UserError, match=r"item 2: gives inf \(do this\)"):
        require_finite(values, lambda number: f"item {number}", "gives", "do this")


def naive(model, row, answer, units):
    """log p(answer | row) of a model whose MLPs put out 0 for ``units`` (layer -> units)."""
    handles = []
    for layer, own in units.items():

        def silence(_, __, output, own=own):
            keep = torch.ones(output.shape[-1])
            keep[own] = 0
            return output * keep

        mlp = model.hf.model.layers[layer].mlp
        handles.append(mlp.register_forward_hook(silence))
    try:
        return log_probability(model.hf, row, answer)
    finally:
        for handle in handles:
            handle.remove()


def bench_of(model):
    return Bench(SimpleNamespace(execution=SimpleNamespace(batch_tokens=None)), model)


def experiment_on(passages, targets=None, **more):
    return Experiment(
        "mlp_output",
        passages,
        targets or {},
        **{
            "key": lambda *_: "",
            "record": lambda rows: {"rows": rows},
            "under": "edited,",
            "fix": "do this",
            **more,
        },
    )


def test_edits_come_from_below():
    edits = [edit("b", "", units=(40, 70)), edit("a", "", units=(64, 3)), INTACT]
    works = experiment_on(["one"]).works(edits, group=lambda own: own.label)
    assert [work.what for work in works] == ["intact", "a", "b"]
    assert [work.group for work in works] == ["intact", "a", "b"]


def test_all_measures_that_are_lacked_are_asked_together_and_anew_for_each_edit(models):
    model = models("llama")
    bench = bench_of(model)
    pair = Item("the cat", "a dog", " sat", " ran")
    targets = {
        "formal/pairs": Target(TaskItems("formal/pairs", {"completion": [pair]}), PLAN, (0,))
    }
    experiment = experiment_on(["the cat sat", "a red dog ran"], targets)
    own, other = edit("one", "a", units=[3]), edit("two", "a", units=[model.width("mlp_output")])
    bench.engine  # noqa: B018  what it tries of the model is not counted
    parts = []
    for lacked in (slice(None), slice(None), slice(0, 1), slice(1, 2)):
        for each in (own, other):
            work, before = experiment.work(each), bench.forward_passes
            found = list(work.compute(bench, list(work.keys)[lacked], print))
            parts.append([{**part} for part in found])
            assert len(found) == 1 and bench.forward_passes - before <= 2
    both, again, corpus, task = (parts[n : n + 2] for n in range(0, 8, 2))
    assert both[0] != both[1]
    for n, whole in enumerate(both):
        for name, record in {**corpus[n][0], **task[n][0]}.items():
            for seen in (whole, again[n]):
                expected = json.loads(seen[0][name])
                for key, values in json.loads(record).items():
                    if key in ("log_probs", "rows"):
                        assert_same(values, expected[key])
                    else:
                        assert values == expected[key]


def test_a_log_probability_that_is_none_is_named(models):
    """It spreads to all that is in the tree with it, but is found where it comes from."""
    hf = tiny_model("llama")
    [bad] = tiny_tokenizer()("q")["input_ids"]
    hf.model.embed_tokens.weight.data[bad] = float("nan")
    broken = wrap_model(hf, tiny_tokenizer(), name="broken")
    work = experiment_on(["the cat sat", "a red dog ran", "quick"]).work(edit("one", "a"))
    message = r"the corpus, passage 3: edited, broken gives a log-probability of nan \(do this\)"
    with pytest.raises(UserError, match=message):
        list(work.compute(bench_of(broken), list(work.keys), print))


@pytest.mark.parametrize("both", [False, True])
def test_records_of_an_edited_model(models, both):
    """Against plain hooks, one query at a time: passages, and answers of both kinds of item."""
    model = models("llama")
    bench = bench_of(model)
    width = model.width("mlp_output")
    own = edit("lesion", "a", units=[3, 2 * width + 7, 2 * width + 1])
    silenced = {0: [3], 2: [7, 1]}
    pairs = [Item("the cat", "a dog", " sat", " ran"), Item("one two", "two one", " red", " blue")]
    alone = [Item("the cat", "the dog", " sat")]
    targets = {
        "formal/pairs": Target(TaskItems("formal/pairs", {"completion": pairs}), PLAN, (1,)),
        "formal/alone": Target(
            TaskItems("formal/alone", {"completion": alone}, single_answer=True), PLAN, (0,)
        ),
    }
    experiment = experiment_on(["the cat sat", "a red dog ran"], targets, both_prompts=both)
    work = experiment.work(own)
    found = [
        json.loads(v) for part in work.compute(bench, list(work.keys), print) for v in part.values()
    ]
    assert all(record["computed_with"]["device"] == "cpu" for record in found)

    rows = [tuple(model.tokenizer(text)["input_ids"]) for text in experiment.passages]
    assert_same(found[0]["log_probs"], [naive(model, r[:1], r[1:], silenced) for r in rows])
    encoded = bench.encoded(targets["formal/pairs"])[0]
    answers = [(encoded.clean, encoded.correct), (encoded.clean, encoded.incorrect)]
    answers += [(encoded.corrupted, encoded.correct), (encoded.corrupted, encoded.incorrect)]
    expected = [naive(model, *one, silenced) for one in answers[: 4 if both else 2]]
    assert_same(found[1]["rows"][0], expected)
    [single] = bench.encoded(targets["formal/alone"])
    texts = [prompt + single.correct for prompt in (single.clean, single.corrupted)]
    expected = [naive(model, text[:1], text[1:], silenced) for text in texts]
    assert_same(found[2]["rows"][0], expected)
    assert bench.forward_passes > 0


def test_nothing_is_edited_without_units():
    """Whatever the site: an edit of no units is the intact model, which may lack the site."""
    bench = Bench(None, SimpleNamespace())  # any look at the model would fail
    with applied(bench, Edit("none", {}, how="inhibit"), "mlp_hidden"):
        pass


def test_keys_and_names_of_all_measures():
    sums = TaskItems("formal/sums", {"completion": [Item("1 + 1 =", "1 + 2 =", " 2", " 3")]})
    targets = {"formal/sums": Target(sums, PLAN, (0,))}
    experiment = experiment_on(
        ["one", "two"], targets, key=lambda own, measure: f"{own.label}/{measure}"
    )
    work = experiment.work(EDITS[1], group="language")
    assert work.keys == {
        "lesion on the corpus": "lesion/",
        "lesion on formal/sums": "lesion/formal/sums",
    }
    assert name_of(EDITS[1], CORPUS) == "lesion on the corpus"
    assert work.group == "language" and json.dumps(list(work.keys))
