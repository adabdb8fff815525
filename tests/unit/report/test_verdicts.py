"""The verdicts of the report: every branch of the rules in docs/report.md, controls included."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from brodmann.report import verdicts
from brodmann.report.verdicts import (
    NONE,
    SHOWN,
    SUGGESTIVE,
    UNTESTED,
    Coefficient,
    Excess,
    Passages,
    Verdict,
    apart,
    beside_surface,
    needed,
    own_circuit,
    predicts,
    some_needed,
)

MORE = Excess(0.001, 0.02, 0.8)  # q, low end of the interval, reliability of the control's circuits


@pytest.mark.parametrize(
    ("p", "excess", "level", "why"),
    [
        (0.001, MORE, SHOWN, "more than in the untrained model"),
        (0.001, replace(MORE, low=-0.01), SUGGESTIVE, "resampled tasks includes 0"),
        # Circuits of noise share little, so that trained ones share more whatever they hold.
        (0.001, replace(MORE, reliability=0.09), SUGGESTIVE, "circuits are unreliable"),
        (0.001, replace(MORE, reliability=nan), SUGGESTIVE, "circuits may be unreliable"),
        # That the one is significant and the other is not is no difference: the excess alone counts.
        (0.001, replace(MORE, q=0.2), NONE, "no more than in the untrained model"),
        (0.001, None, SUGGESTIVE, "no untrained control"),
        # Whatever the control has, what is not there is not shown.
        (0.05, MORE, NONE, "shuffled"),
        (nan, MORE, UNTESTED, "no pairs"),
        # One pair of tasks has no interval.
        (0.001, Excess(0.001, nan, 0.8), SUGGESTIVE, "of too few tasks for an interval"),
        # A control of which nothing is known shows nothing.
        (0.001, Excess(nan, nan), NONE, "no more than"),
    ],
)
def test_domains_are_apart_as_far_as_the_untrained_model_allows(p, excess, level, why):
    found = apart(p, excess)
    assert found.level == level and why in found.why


def test_the_weaker_of_two_excesses_has_no_stronger_verdict():
    """Verdicts do not hang on whether the control by itself passes."""
    strong, weak = (
        apart(p, Excess(q, low)) for p, q, low in ((1e-3, 3e-3, -6e-3), (1e-2, 1e-2, -0.03))
    )
    assert verdicts.LEVELS.index(strong.level) >= verdicts.LEVELS.index(weak.level)


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
    ("slope", "resampled_low", "mantel_p", "converged", "level"),
    [
        (Coefficient(0.1, 0.05, 0.001), 0.01, 0.01, True, SUGGESTIVE),
        (Coefficient(0.1, 0.05, 0.001), 0.01, nan, True, SUGGESTIVE),  # of several models
        (Coefficient(0.1, 0.05, 0.001), 0.01, 0.2, True, NONE),
        (Coefficient(0.1, 0.05, 0.001), -0.01, 0.01, True, NONE),
        (Coefficient(0.1, 0.05, 0.001), nan, 0.01, True, UNTESTED),
        (Coefficient(0.1, -0.05, 0.001), 0.01, 0.01, True, NONE),
        (Coefficient(0.1, 0.05, 0.001), 0.01, 0.01, False, UNTESTED),
        (Coefficient(nan, nan, nan), nan, nan, True, UNTESTED),
    ],
)
def test_a_slope_needs_resampled_tasks_and_is_no_more_than_suggestive(
    slope, resampled_low, mantel_p, converged, level
):
    assert predicts(slope, resampled_low, mantel_p, converged=converged).level == level


# The smallest p of 6 passages, and one that is larger.
SIX, LARGER = Passages(6, 2**-5, 0.04), Passages(6, 0.06, 0.08)


@pytest.mark.parametrize(
    ("value", "draws", "test", "massive", "level", "why"),
    [
        (1000, [40.0] * 20, SIX, False, SHOWN, "each of 20 draws"),
        (1000, [40.0] * 18, SIX, False, SUGGESTIVE, "1 in 19"),
        (1000, [40.0], SIX, False, SUGGESTIVE, "the only draw"),
        (1000, [40.0] * 20, SIX, True, UNTESTED, "massive"),
        (1000, [40.0, 2000.0], SIX, False, NONE, "random units cost as much"),
        (1000, [40.0] * 20, LARGER, False, NONE, "over 6 passages"),
        # The table's other rows make q of the smallest p what it is: that is no evidence against anything.
        (1000, [40.0] * 20, replace(SIX, q=0.094), False, UNTESTED, "no q below 0.05"),
        (1000, [40.0] * 20, Passages(6, nan, nan), False, NONE, "over 6 passages"),
        (20, [10.0] * 20, SIX, False, NONE, "random units cost as much"),  # better than intact
        (1000, [], SIX, False, UNTESTED, "no random units"),
    ],
)
def test_units_are_needed_as_far_as_random_ones_allow(value, draws, test, massive, level, why):
    found = needed(value, 30.0, draws, test, massive=massive)
    assert found.level == level and why in found.why


def test_few_passages_cannot_tell():
    """Of n signed ranks the smallest p is 2^(1 - n): 1/16 of 5 passages, 1/32 of 6."""
    from scipy.stats import wilcoxon

    assert wilcoxon([1.0, 2, 3, 4, 5, 6]).pvalue == SIX.p
    few = Passages(5, 0.5, 0.5)
    assert needed(1000, 30.0, [40.0] * 20, few).level == UNTESTED
    assert "no p below 0.062" in needed(1000, 30.0, [40.0] * 20, few).why


def some(beyond, tested, draws, significant=None, **more):
    """Where nothing is said, what is beyond its draws is significant, too."""
    return some_needed(
        beyond, beyond if significant is None else significant, tested, draws, **more
    )


def test_networks_count_beyond_those_that_chance_gives():
    assert some(20, 20, 20).level == SHOWN
    assert some(4, 20, 20).level == SUGGESTIVE  # 1 by chance
    assert some(1, 20, 390).level == SUGGESTIVE  # 1 in 19.5, or in 20.04 by the binomial
    assert some(1, 20, 400).level == SHOWN
    assert some(1, 1, 20).level == SHOWN  # as of a single lesion
    assert some(16, 20, 1).level == SUGGESTIVE
    assert "16 of 20 networks" in some(16, 20, 1).why
    assert "10 would by chance" in some(16, 20, 1).why
    # Of 20, 15 or more heads of a coin come up in 2 % of all cases, 14 or more in 6 %.
    levels = [some(number, 20, 1).level for number in (15, 14, 10)]
    assert levels == [SUGGESTIVE, NONE, NONE]
    assert some(4, 4, 1).level == UNTESTED  # 1 in 16
    assert some(5, 5, 1).level == SUGGESTIVE  # 1 in 32
    assert some(20, 20, 20, looked=False).level == SUGGESTIVE
    assert some(0, 20, 20).level == NONE
    assert some(0, 0, 0).level == UNTESTED


def test_what_chance_gives_is_held_against_what_it_is_of():
    """A coin tells how many exceed one draw each, not how many of these have a small q as well."""
    found = some(9, 10, 1, significant=7)
    # 11 of the 1,024 outcomes of ten coins have nine heads or more.
    assert found.level == SUGGESTIVE and "5 would by chance (p = 0.011); 7 at q < 0.05" in found.why
    assert some(9, 10, 1, significant=0).level == SUGGESTIVE
    # What is shown takes as many at q < alpha.
    assert some(20, 20, 20, significant=19).level == SUGGESTIVE
    assert some(20, 20, 20, significant=0).level == SUGGESTIVE


@pytest.mark.parametrize("draws", [1, 20, 60, 400])
@pytest.mark.parametrize("common", [0.0, 0.9, 1.0])
def test_networks_that_are_as_random_units_are_shown_in_few_studies(draws, common):
    """Null studies: 20 networks and their draws are of one distribution, be they independent or not.

    ``common``: the share of a rank that all networks have in common (1: all are beyond their draws at once).
    """
    rng, studies, networks = np.random.default_rng(draws), 4000, 20
    own, shared = rng.random((studies, networks)), rng.random((studies, 1))
    # A network is beyond d draws if it is the largest of d + 1: of a uniform u, if u > d / (d + 1).
    together = rng.random((studies, 1)) < common
    beyond = np.where(together, shared, own) > draws / (draws + 1)
    counts, times = np.unique(beyond.sum(1), return_counts=True)
    levels = [some(int(count), networks, draws).level for count in counts]
    # Where networks depend on each other, it takes what is shown; else what is suggestive is as rare.
    wrong = (SHOWN,) if common else (SHOWN, SUGGESTIVE)
    rate = sum(n for n, level in zip(times, levels, strict=True) if level in wrong) / studies
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)
    # The rule of one network, asked of the best of 20, would fail here.
    if draws == 20 and not common:
        assert (beyond.any(1)).mean() == pytest.approx(1 - (20 / 21) ** 20, abs=0.03)


def test_unreliable_circuits_of_its_own_are_no_evidence_against_a_domain():
    for p, excess in ((0.001, replace(MORE, q=0.2)), (0.2, MORE), (0.2, None)):
        assert apart(p, excess, 0.4).level == NONE and apart(p, excess, nan).level == NONE
        found = apart(p, excess, 0.345)
        assert found.level == UNTESTED and "unreliable (34.5 % of their units" in found.why
    # What is found in spite of them is found.
    assert apart(0.001, MORE, 0.1) == apart(0.001, MORE)


@pytest.mark.parametrize(
    ("significant", "tested", "control", "p", "reliability", "level"),
    [
        (14, 23, True, 0.001, 0.8, SHOWN),
        (14, 23, True, 0.001, 0.09, SUGGESTIVE),
        (14, 23, True, 0.001, nan, SUGGESTIVE),
        (14, 23, True, 0.2, 0.8, NONE),
        (14, 23, True, nan, 0.8, NONE),
        (14, 23, False, nan, nan, SUGGESTIVE),
        (0, 23, True, 0.001, 0.8, NONE),
        (0, 0, True, 0.001, 0.8, UNTESTED),
    ],
)
def test_circuits_write_on_units_as_far_as_the_untrained_model_allows(
    significant, tested, control, p, reliability, level
):
    found = verdicts.writing(significant, tested, control=control, p=p, reliability=reliability)
    assert found.level == level


def test_what_could_not_come_back_is_not_tested():
    assert verdicts.come_back(2, 20, 13).level == UNTESTED
    assert verdicts.come_back(2, 20, 14).level == "unreliable"  # 70 % could
    assert verdicts.come_back(16, 20, 20).level == "reliable"
    assert "no networks of single texts" in verdicts.come_back(0, 20, 0).why
    assert verdicts.come_back(0, 0, 0).level == UNTESTED


def test_maps_and_what_comes_back():
    assert verdicts.alike(2, 9).level == SUGGESTIVE
    assert verdicts.alike(0, 9).level == NONE
    assert verdicts.alike(0, 0).level == UNTESTED
    levels = [verdicts.reliable(share).level for share in (0.9, 0.7, 0.5, 0.1, nan)]
    assert levels == ["reliable", "reliable", "moderately reliable", "unreliable", UNTESTED]
    assert verdicts.reliable(0.1, "networks").why == "less than 40 % of the networks come back"
