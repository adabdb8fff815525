"""Attribution against a naive implementation: whole sequences, forward and backward, no cache."""

import gc
import itertools

import pytest
import torch
from example_items import ITEMS, SINGLE, attribute, item
from reference import log_probability, naive_attribution, naive_metric, naive_patched_metric
from rounding import assert_same
from tiny_models import FAMILIES, tiny_model, tiny_tokenizer

from brodmann.circuits.attribution import Attributor
from brodmann.circuits.estimators.integrated import Integrated
from brodmann.models.load import wrap_model
from brodmann.runner.answers import queries_of
from brodmann.runner.context import common_prefix
from brodmann.tasks.items import begin_alike


def close(found, expected):
    scale = expected.abs().max()
    assert scale > 1e-4  # not silently zero
    assert_same(found, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_the_naive_implementation(models, family):
    model = models(family)
    found = attribute(model, ITEMS)
    assert len(found) == 2 * len(ITEMS)
    for number, it in enumerate(ITEMS[:4] if family != "llama" else ITEMS):
        for component in ("neurons", "heads"):
            close(found[component, number], naive_attribution(model, it, component))


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "chatglm"])
def test_published_gradient_and_single_answers(models, family):
    model = models(family)
    found = attribute(model, ITEMS, gradient="correct_answer")
    for number, it in enumerate(ITEMS[:4]):
        expected = naive_attribution(model, it, "neurons", both=False)
        close(found["neurons", number], expected)
        both = naive_attribution(model, it, "neurons")
        assert (both - expected).abs().max() > 1e-3 * both.abs().max()
    found = attribute(model, SINGLE)
    for number, it in enumerate(SINGLE):
        close(found["heads", number], naive_attribution(model, it, "heads"))


@pytest.mark.parametrize("family", ["llama", "gemma3", "chatglm"])
def test_does_not_depend_on_the_batch(models, family):
    items = ITEMS * 9
    runs = [attribute(models(family), items, batch_tokens=n) for n in (1, 36, 4096)]
    for key, first in runs[0].items():
        for other in runs[1:]:
            assert_same(other[key], first)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "bloom", "chatglm"])
@pytest.mark.parametrize("items", [ITEMS, SINGLE, ITEMS[:2] + SINGLE])
@pytest.mark.parametrize("gradient", ["both_answers", "correct_answer"])
def test_a_baseline_is_read_on_the_way(models, family, items, gradient):
    """Scores are those of whole sequences, contributions those without scores."""
    model = models(family)
    attributor = Attributor(model, components=("neurons", "heads"), gradient=gradient)
    items = [items[0], *items]  # the same item twice: its tails share no node
    alone = attribute(model, items, gradient=gradient)
    seen = []
    for part in attributor.with_scores(items):
        for row, number in enumerate(part.numbers):
            queries = queries_of(items[number])
            expected = [log_probability(model.hf, q.context, q.target) for q in queries]
            assert_same(part.scores[row], expected)
            for component, values in part.values.items():
                close(values[row], alone[component, number])
            seen.append(number)
    assert sorted(seen) == list(range(len(items)))


def test_equals_the_true_effect_where_the_model_is_linear():
    """Without the final norm, answers' logits are linear in what the last layer's neurons write."""
    hf = tiny_model("llama")
    hf.model.norm = torch.nn.Identity()
    model = wrap_model(hf, tiny_tokenizer(), name="linear")
    it = ITEMS[0]  # lp(x) - lp(y) is a difference of logits: the normaliser cancels
    found = attribute(model, [it])["neurons", 0][-1]
    intact = naive_metric(model, it)
    for unit in range(model.neurons_per_layer):
        effect = naive_patched_metric(model, it, "neurons", [(model.n_layers - 1, unit)]) - intact
        assert found[unit].item() == pytest.approx(effect, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt-neox", "chatglm"])
def test_integrated_gradients_are_complete(models, family):
    """A layer's contributions sum to the effect of patching the whole layer; first order need not."""
    model = models(family)
    items = [ITEMS[0], ITEMS[2]]
    found = attribute(model, items, estimator=Integrated(200))
    for number, it in enumerate(items):
        for component, width in (
            ("neurons", model.neurons_per_layer),
            ("heads", model.heads_per_layer),
        ):
            for layer in range(model.n_layers):
                units = [(layer, unit) for unit in range(width)]
                effect = naive_patched_metric(model, it, component, units) - naive_metric(model, it)
                total = found[component, number][layer].double().sum().item()
                assert total == pytest.approx(effect, rel=0.02, abs=2e-3)


@pytest.mark.parametrize("family", ["llama", "gpt2", "falcon", "chatglm"])
@pytest.mark.parametrize("component", ["neurons", "heads"])
def test_exact_effects_equal_naive_patching(models, family, component):
    model = models(family)
    units = [(0, 1), (2, 3), (1, 0), (2, 0)]
    items = ITEMS[:4]
    attributor = Attributor(model, components=(component,), batch_tokens=7)
    found = attributor.exact_effects(items, component, units, contrast=2.0)
    for row, it in enumerate(items):
        intact = naive_metric(model, it)
        for column, unit in enumerate(units):
            expected = (naive_patched_metric(model, it, component, [unit]) - intact) / 2
            assert found[row, column].item() == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_contrast_divides_and_misaligned_items_are_left_out(models):
    model = models("llama")
    odd = item("longer one", "short", "x", "y")
    attributor = Attributor(model)
    parts = list(attributor.contributions("language/t", [odd, ITEMS[0]], contrast=4.0))
    assert [part.numbers for part in parts] == [[1]]
    close(parts[0].values["neurons"][0] * 4, naive_attribution(model, ITEMS[0], "neurons"))


def test_values_that_are_not_finite_name_task_and_item():
    from brodmann.errors import UserError

    hf = tiny_model("llama")
    hf.model.embed_tokens.weight.data[5 + ord("d")] = float("nan")
    model = wrap_model(hf, tiny_tokenizer(), name="broken")
    fine = item("the cat sat", "the cut sat", "x", "y")
    with pytest.raises(UserError, match=r"physical/t, item 1: .*not finite"):
        list(Attributor(model).contributions("physical/t", [fine, ITEMS[0]]))


def test_running_out_of_memory_halves_the_tree(monkeypatch):
    model = wrap_model(tiny_model("llama"), tiny_tokenizer(), name="scarce")
    attributor, calls = Attributor(model, components=("neurons", "heads")), []

    def check(_, args, kwargs):
        calls.append(kwargs.get("input_ids", *args[:1]).numel())
        if calls[-1] > 20:
            raise torch.OutOfMemoryError("out of memory")

    handle = model.hf.register_forward_pre_hook(check, with_kwargs=True)
    items = [ITEMS[0], ITEMS[2], ITEMS[3], ITEMS[4]]
    parts = list(attributor.contributions("language/t", items))
    handle.remove()
    assert sorted(n for part in parts for n in part.numbers) == [0, 1, 2, 3] and max(calls) > 20
    for part in parts:
        for row, number in enumerate(part.numbers):
            close(part.values["neurons"][row], naive_attribution(model, items[number], "neurons"))


def test_no_memory_is_kept(models):
    model = models("llama")

    def tensors():
        gc.collect()
        return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())

    attribute(model, ITEMS)
    before = tensors()
    for _ in range(50):
        attribute(model, ITEMS[:1])
    assert tensors() <= before + 5


def test_common_prefix_leaves_a_token():
    assert common_prefix([(1, 2, 3), (1, 2, 3)]) == 2
    assert common_prefix([(1, 2, 3), (1, 4, 3), (1, 2, 5)]) == 1
    assert common_prefix([(1,), (2,)]) == 0
    threes = itertools.product((1, 2), repeat=3)
    for rows in itertools.product(threes, [(1,), (1, 2, 2), (2, 1)], [(1, 2)]):
        alike = [len(set(column)) == 1 for column in zip(*rows, strict=False)]
        assert begin_alike(rows) == [*alike, False].index(False)
