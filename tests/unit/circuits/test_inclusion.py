"""The baseline of the results contract, against hand-computed cases."""

import pytest

from brodmann.circuits.inclusion import Lent, baseline_of
from brodmann.config.models import Inclusion

BOTH = Inclusion(min_both_correct=0.6, min_items=2, filter="both_correct", control=False)
ALIGNED = Inclusion(min_both_correct=0.6, min_items=2, filter="aligned", control=False)
CONTROL = Inclusion(min_both_correct=0.6, min_items=2, filter="aligned", control=True)


def dual(*rows, misaligned=()):
    """Scores of dual-answer items; a row is lp of (cc|clean, ci|clean, cc|corrupted, ci|corrupted)."""
    names = ("clean_correct", "clean_incorrect", "corrupted_correct", "corrupted_incorrect")
    return {
        "single_answer": False,
        "clean_tokens": [9] * len(rows),
        "corrupted_tokens": [9 + (n in misaligned) for n in range(len(rows))],
        "log_probs": {
            name: [None if n in misaligned else row[k] for n, row in enumerate(rows)]
            for k, name in enumerate(names)
        },
    }


RIGHT = (-1.0, -3.0, -4.0, -2.0)  # contrasts: clean 2, corrupted -2
CLEAN_ONLY = (-1.0, -2.0, -1.0, -2.0)  # contrasts: 1 and 1
WRONG = (-3.0, -1.0, -1.0, -2.0)


def test_shares_baselines_and_ids():
    result = baseline_of(dual(RIGHT, CLEAN_ONLY, RIGHT, WRONG, RIGHT, misaligned=[3]), BOTH)
    assert (result.n_items, result.n_aligned, result.n_both_correct) == (5, 4, 3)
    assert result.clean_accuracy == 1.0
    assert result.corrupted_accuracy == 0.75
    assert result.both_correct_accuracy == 0.75
    assert result.clean_baseline == 2.0 and result.corrupted_baseline == -2.0
    assert result.both_correct_ids == [0, 2, 4] == result.used_ids
    assert result.misaligned_ids == [3]
    assert result.included
    assert [row["id"] for row in result.items] == [0, 1, 2, 4]
    assert result.items[1]["clean_incorrect"] == -2.0


def test_ties_are_wrong():
    tie = (-1.0, -1.0, -2.0, -1.0)
    result = baseline_of(dual(RIGHT, RIGHT, tie), BOTH)
    assert result.both_correct_ids == [0, 1]
    assert result.clean_accuracy == pytest.approx(2 / 3)
    assert result.corrupted_accuracy == 1.0


def test_threshold_is_reached_not_exceeded():
    rows = [RIGHT] * 3 + [WRONG] * 2
    assert baseline_of(dual(*rows), BOTH).included
    stricter = Inclusion(0.61, 2, "both_correct", False)
    result = baseline_of(dual(*rows), stricter)
    assert not result.included
    assert result.reason == "both-correct share 0.600 is below 0.61"


def test_too_few_items():
    result = baseline_of(dual(RIGHT), BOTH)
    assert not result.included
    assert result.reason == "1 both-correct items, 2 are needed"


def test_no_aligned_items():
    result = baseline_of(dual(RIGHT, RIGHT, misaligned=[0, 1]), ALIGNED)
    assert not result.included and result.reason == "no aligned items (of 2)"
    assert result.clean_accuracy is None and result.clean_baseline is None


def test_aligned_filter_uses_every_aligned_item_and_bypasses_the_threshold():
    result = baseline_of(dual(RIGHT, WRONG, CLEAN_ONLY, WRONG, misaligned=[3]), ALIGNED)
    assert result.used_ids == [0, 1, 2]
    assert result.both_correct_ids == [0]
    assert result.clean_baseline == pytest.approx((2 - 2 + 1) / 3)
    assert result.corrupted_baseline == pytest.approx((-2 + 1 + 1) / 3)
    assert result.included


@pytest.mark.parametrize(("inclusion", "kept"), [(ALIGNED, False), (CONTROL, True)])
def test_no_contrast(inclusion, kept):
    """A negative denominator would flip every sign: excluded, or, for controls, left undivided."""
    result = baseline_of(dual(WRONG, WRONG), inclusion)
    assert result.clean_baseline - result.corrupted_baseline < 0
    assert result.included is kept and result.unnormalised is kept
    if not kept:
        assert result.reason == "no contrast"


def test_contrast_of_exactly_the_minimum_is_none():
    flat = (-1.0, -1.0 - 1e-3, -1.0, -1.0)
    assert baseline_of(dual(flat, flat), ALIGNED).reason == "no contrast"


def test_single_answer():
    """One condition: right if the joint of clean beats corrupted; baselines are means of lp(answer)."""
    scores = {
        "single_answer": True,
        "clean_tokens": [5, 5, 5],
        "corrupted_tokens": [5, 5, 5],
        "log_probs": {
            "clean_answer": [-1.0, -2.0, -1.5],
            "corrupted_answer": [-3.0, -2.5, -1.0],
            "clean_joint": [-10.0, -11.0, -13.0],
            "corrupted_joint": [-12.0, -12.0, -12.0],
        },
    }
    result = baseline_of(scores, BOTH)
    assert result.single_answer
    assert result.both_correct_ids == [0, 1]
    accuracies = {
        result.clean_accuracy,
        result.corrupted_accuracy,
        result.both_correct_accuracy,
    }
    assert accuracies == {2 / 3}
    assert result.clean_baseline == -1.5
    assert result.corrupted_baseline == -2.75


def test_an_untrained_model_has_the_items_of_its_trained_one():
    scores = dual(WRONG, RIGHT, CLEAN_ONLY, WRONG, RIGHT, misaligned=[1])
    result = baseline_of(scores, CONTROL, Lent("trained", [0, 1, 4]))
    assert result.used_ids == [0, 4]
    assert result.included and "keeps the 2 aligned items that trained uses" in result.reason
    # Baselines, by which effects are divided, are those of the same items.
    alone = baseline_of(dual(WRONG, RIGHT), CONTROL)
    assert (result.clean_baseline, result.corrupted_baseline) == (
        alone.clean_baseline,
        alone.corrupted_baseline,
    )
    # Accuracies are those of all items, as for every model.
    assert result.n_aligned == 4
    nothing = baseline_of(scores, CONTROL, Lent("trained", [1]))
    assert not nothing.included and "keeps the 0 aligned items" in nothing.reason
    left_out = baseline_of(scores, CONTROL, Lent("trained", None))
    # What is compared is of the same tasks; how often it is right stands in the accuracies all the same.
    assert not left_out.included and "trained leaves the task out" in left_out.reason
    assert left_out.used_ids == [] and left_out.clean_accuracy == result.clean_accuracy
