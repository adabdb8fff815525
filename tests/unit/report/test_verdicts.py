"""The verdicts of the report: every branch of the rules in docs/report.md, controls included."""

from math import nan

import pytest

from brodmann.report import verdicts
from brodmann.report.verdicts import (
    NONE,
    SHOWN,
    SUGGESTIVE,
    UNTESTED,
    Coefficient,
    Untrained,
    Verdict,
    apart,
    beside_surface,
    needed,
    own_circuit,
    predicts,
)

# The control's own p, p of the excess over it, low end of the excess' interval.
NOT_THERE, MORE = Untrained(0.4, 0.001, 0.02), Untrained(0.001, 0.001, 0.02)


@pytest.mark.parametrize(
    ("p", "untrained", "level", "why"),
    [
        (0.001, NOT_THERE, SHOWN, "more than in the untrained model"),
        (0.001, Untrained(0.4, 0.001, -0.01), SUGGESTIVE, "not for every draw of tasks"),
        # That the one is significant and the other is not is no difference.
        (0.001, Untrained(0.06, 0.2, 0.02), SUGGESTIVE, "no larger than there"),
        (0.001, MORE, SUGGESTIVE, "which has it too"),
        (0.001, Untrained(0.001, 0.2, 0.02), NONE, "the untrained model has it too"),
        (0.001, Untrained(0.001, 0.001, -0.01), NONE, "the untrained model has it too"),
        (0.001, None, SUGGESTIVE, "no untrained control"),
        # Whatever the control has, what is not there is not shown.
        (0.05, NOT_THERE, NONE, "shuffled"),
        (nan, NOT_THERE, UNTESTED, "no pairs"),
        # A control of which nothing is known shows nothing.
        (0.001, Untrained(nan, nan, nan), SUGGESTIVE, "no larger than there"),
    ],
)
def test_domains_are_apart_as_far_as_the_untrained_model_allows(p, untrained, level, why):
    found = apart(p, untrained)
    assert found.level == level and why in found.why


ALONE, STAYS = Coefficient(0.1, 0.05, 0.001), Coefficient(0.08, 0.02, 0.01)
OVERLAP = Verdict(SHOWN, "more than in the untrained model")


@pytest.mark.parametrize(
    ("alone", "beside", "level"),
    [
        (ALONE, STAYS, SHOWN),
        (ALONE, Coefficient(0.08, -0.02, 0.01), SUGGESTIVE),
        (ALONE, Coefficient(0.08, 0.02, 0.06), NONE),
        (ALONE, Coefficient(-0.08, -0.2, 0.01), NONE),
        (Coefficient(0.1, 0.05, 0.2), STAYS, NONE),
        (Coefficient(nan, nan, nan), STAYS, UNTESTED),
        (ALONE, Coefficient(nan, nan, nan), UNTESTED),
    ],
)
def test_the_effect_beside_the_surface_is_no_stronger_than_the_effect(alone, beside, level):
    assert beside_surface(alone, beside, OVERLAP).level == level
    for overlap in (Verdict(NONE, "the untrained model has it too"), Verdict(SUGGESTIVE, "x")):
        capped = beside_surface(alone, beside, overlap)
        weaker = min(level, overlap.level, key=verdicts.LEVELS.index)
        assert capped.level == weaker


@pytest.mark.parametrize(
    ("own", "random", "p", "split", "level"),
    [
        (0.5, 0.01, 0.001, True, SHOWN),
        (0.5, 0.01, 0.001, False, UNTESTED),
        (0.5, 0.01, 0.2, True, NONE),
        (0.01, 0.5, 0.001, True, NONE),
        (0.5, nan, nan, True, UNTESTED),
    ],
)
def test_own_circuits_are_tested_on_other_items_only(own, random, p, split, level):
    assert own_circuit(own, random, p, split=split).level == level


@pytest.mark.parametrize(
    ("slope", "mantel_p", "converged", "level"),
    [
        (Coefficient(0.1, 0.05, 0.001), 0.01, True, SHOWN),
        (Coefficient(0.1, 0.05, 0.001), nan, True, SUGGESTIVE),
        (Coefficient(0.1, -0.05, 0.001), 0.01, True, NONE),
        (Coefficient(0.1, 0.05, 0.001), 0.01, False, UNTESTED),
        (Coefficient(nan, nan, nan), nan, True, UNTESTED),
    ],
)
def test_a_slope_is_believed_if_both_tests_agree(slope, mantel_p, converged, level):
    assert predicts(slope, mantel_p, converged=converged).level == level


@pytest.mark.parametrize(
    ("value", "draws", "q", "massive", "level", "why"),
    [
        (1000, [40.0] * 20, 0.01, False, SHOWN, "each of 20 draws"),
        (1000, [40.0] * 18, 0.01, False, SUGGESTIVE, "1 in 19"),
        (1000, [40.0], 0.01, False, SUGGESTIVE, "the only draw"),
        (1000, [40.0] * 20, 0.01, True, SUGGESTIVE, "massive"),
        (1000, [40.0, 2000.0], 0.01, False, NONE, "random units cost as much"),
        (1000, [40.0] * 20, 0.05, False, NONE, "over 6 passages"),
        (1000, [40.0] * 20, nan, False, NONE, "over 6 passages"),
        (20, [10.0] * 20, 0.01, False, NONE, "random units cost as much"),  # better than intact
        (1000, [], 0.01, False, UNTESTED, "no random units"),
    ],
)
def test_units_are_needed_as_far_as_random_ones_allow(value, draws, q, massive, level, why):
    found = needed(value, 30.0, draws, q, 6, massive=massive)
    assert found.level == level and why in found.why


def test_few_passages_cannot_tell():
    """Of n signed ranks the smallest p is 2^(1 - n): 1/16 of 5 passages, 1/32 of 6."""
    assert needed(1000, 30.0, [40.0] * 20, 0.5, 5).level == UNTESTED
    assert "no p below 0.062" in needed(1000, 30.0, [40.0] * 20, 0.5, 5).why
    assert needed(1000, 30.0, [40.0] * 20, 0.01, 6).level == SHOWN
    assert verdicts.some_needed(0, 20, 20, 2).level == UNTESTED


def test_networks_maps_and_circuits_that_come_back():
    assert verdicts.some_needed(3, 20, 20, 6).level == SHOWN
    assert verdicts.some_needed(3, 20, 1, 6).level == SUGGESTIVE
    assert verdicts.some_needed(0, 20, 20, 6).level == NONE
    assert verdicts.some_needed(0, 0, 0, 0).level == UNTESTED
    assert verdicts.coincide(2, 9).level == SHOWN
    assert verdicts.coincide(0, 9).level == NONE
    assert verdicts.coincide(0, 0).level == UNTESTED
    levels = [verdicts.reliable(share).level for share in (0.9, 0.7, 0.5, 0.1, nan)]
    assert levels == ["reliable", "reliable", "moderately reliable", "unreliable", UNTESTED]
