"""The embedded model: loads from its wheel, gives a plain forward pass's numbers, passes tasks."""

import numpy as np
import pytest
from reference import log_probability, naive_attribution, naive_metric, naive_patched_metric
from rounding import assert_same

from brodmann.circuits.attribution import Attributor
from brodmann.circuits.inclusion import baseline_of
from brodmann.circuits.masks import Selection, select_units
from brodmann.models.selfcheck import self_check
from brodmann.runner.answers import DUAL_SCORES, score_items
from brodmann.runner.encode import Encoder
from brodmann.runner.prompting import PromptPlan
from brodmann.runner.scoring import Scorer
from brodmann.tasks.catalogue import domain_of, list_tasks, task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.domains import PUBLISHED as DOMAINS
from brodmann.tasks.expand import expand

RAW = PromptPlan("completion", wrapped=False)


def items_of(root, task, count):
    return expand(task, load_definition(task_path(root / "data", task)), seed=0, count=count)


def test_shape_and_self_check(model):
    assert (model.n_layers, model.neurons_per_layer, model.heads_per_layer) == (30, 1536, 9)
    outcome = self_check(model)
    assert outcome.widths["mlp_hidden"] == 1536 and outcome.widths["block_output"] == 576


def test_scores_equal_the_reference(root, study, model):
    """One task per domain: the batched path against one plain forward pass per answer."""
    for domain in DOMAINS:
        task = next(task for task in study.tasks.selected if domain_of(task) == domain)
        encoded = Encoder(model.tokenizer, "smollm2").encode(items_of(root, task, 4), RAW)
        scores = score_items(task, encoded, Scorer(model))
        for n, item in enumerate(encoded):
            if item.aligned:
                expected = [
                    log_probability(model.hf, prompt, answer)
                    for prompt in (item.clean, item.corrupted)
                    for answer in (item.correct, item.incorrect)
                ]
                found = [scores.log_probs[name][n] for name in DUAL_SCORES]
                assert_same(found, expected)


@pytest.mark.slow  # a minute on one core
def test_at_least_two_tasks_per_domain_are_passed(root, study, model):
    """On 40 items of seed 0; docs/tasks/rates.md has the rates on 200 items."""
    passed = dict.fromkeys(DOMAINS, 0)
    inclusion = study.model("smollm2").inclusion
    for task in study.tasks.selected:
        if passed[domain_of(task)] >= 2:
            continue
        encoded = Encoder(model.tokenizer, "smollm2").encode(items_of(root, task, 40), RAW)
        scorer = Scorer(model)
        scores = score_items(task, encoded, scorer)
        passed[domain_of(task)] += baseline_of(vars(scores), inclusion).included
    assert passed == dict.fromkeys(DOMAINS, 2)


def test_the_documented_task_is_passed(root, study, model, tmp_path):
    """docs/adding-a-task.md: what a user tries first is included for the embedded model."""
    text = (root / "docs" / "adding-a-task.md").read_text(encoding="utf-8")
    path = tmp_path / "habitat.yaml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    items = expand("physical/habitat", load_definition(path), seed=0, count=48)
    encoded = Encoder(model.tokenizer, "smollm2").encode(items, RAW)
    scores = score_items("physical/habitat", encoded, Scorer(model))
    found = baseline_of(vars(scores), study.model("smollm2").inclusion)
    assert found.included and found.both_correct_accuracy > 0.8


def test_prompts_of_a_pair_have_equally_many_tokens(root, model):
    """In at least 85 % of every task's items, both wordings; test_audit.py asks other vocabularies."""
    for task in list_tasks(root / "data"):
        items = items_of(root, task, 200)
        for wording in items.wordings:
            encoded = Encoder(model.tokenizer, "smollm2").encode(items, PromptPlan(wording, False))
            assert sum(item.aligned for item in encoded) >= 0.85 * len(encoded), (task, wording)


def test_attribution_equals_the_naive_one(root, model):
    """On real weights, where activations are large and effects are small: neurons and heads."""
    attributor = Attributor(model, components=("neurons", "heads"))
    for task in ("language/subject_verb_agreement", "social/desires_goals"):
        encoded = Encoder(model.tokenizer, "smollm2").encode(items_of(root, task, 6), RAW)
        parts = list(attributor.contributions(task, encoded))
        assert sorted(number for part in parts for number in part.numbers) == list(range(6))
        for part in parts:
            for component, values in part.values.items():
                expected = naive_attribution(model, encoded[part.numbers[0]], component)
                assert_same(values[0], expected)


@pytest.mark.slow
def test_circuits_do_what_their_attribution_says(root, model):
    """Patching the circuit's units moves the answer back by much more than as many random units do."""
    encoded = Encoder(model.tokenizer, "smollm2").encode(
        items_of(root, "language/subject_verb_agreement", 8), RAW
    )
    total = sum(
        part.values["neurons"].sum(0) for part in Attributor(model).contributions("t", encoded)
    )
    width = model.neurons_per_layer
    best = select_units(total.numpy(), Selection("positive", 0.1)).units
    other = np.random.default_rng(0).choice(total.numel(), len(best), replace=False)
    effects = {}
    for name, units in (("circuit", best), ("random", other)):
        places = [(int(unit) // width, int(unit) % width) for unit in units]
        effects[name] = [
            naive_patched_metric(model, item, "neurons", places) - naive_metric(model, item)
            for item in encoded[:4]
        ]
    assert min(effects["circuit"]) > 0.5
    assert np.mean(effects["circuit"]) > 10 * abs(np.mean(effects["random"]))
