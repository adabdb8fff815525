"""How long a run may still take, with a clock that the test turns."""

import pytest

from brodmann.pipeline.time_left import UNKNOWN, TimeLeft, spoken

# A demo on two cores, as Snakemake's log has it: (rule, what was expected of it, what it took), in seconds.
DEMO = [
    *[("items", None, 0.1)] * 52,
    *(("check", 32, 6), ("localizer", 15, 14), ("surface", None, 4), ("lesion", 11, 10)),
    *(("check", 32, 3), ("baseline", 39, 39), ("surface", None, 3), ("baseline", 39, 37)),
    *(("localizer", 15, 12), ("ablation", 112, 125), ("overlap", None, 3)),
    *(("faithfulness", 10, 9), ("networks", 42, 42), ("confounds", None, 4)),
    *(("figures", None, 5), ("use", 36, 52), ("use_tables", None, 11), ("lesion", 11, 12)),
    *[("figures", None, 4)] * 2,
]


@pytest.fixture
def now():
    """The clock's time: a list of one number."""
    return [0.0]


@pytest.fixture
def left(now):
    return TimeLeft(lambda: now[0])


def done(left, now, job, seconds):
    left.start(job)
    now[0] += seconds
    left.finish(job)


def test_light_jobs_as_others_and_passes_as_expected(left, now):
    for number in range(4):
        left.expect(number, "light", "Writing", None)
    left.expect("first", "pass", "Asking", 100.0)
    left.expect("second", "pass", "Asking", 300.0)
    for number in range(3):
        assert left.seconds() is None  # too few have finished
        done(left, now, number, 2.0)
    # One light job of 2 s as its rule's others, and the passes as expected, one at a time.
    assert left.seconds() == pytest.approx(2 + 100 + 300)
    assert left.of_stage("Asking") == pytest.approx(400)
    assert left.of_stage("Writing") == pytest.approx(2)
    done(left, now, "first", 50.0)
    # It took half of what was expected, and weighs more than what was: so will the second.
    assert left.seconds() == pytest.approx(2 + 150)
    left.start("second")
    left.start(3)
    now[0] += 10.0
    # The light job has taken longer than it should: a tenth longer still, while the other goes on.
    assert left.seconds() == pytest.approx(140 + 1)
    # Of its stage alone nobody knows.
    assert left.of_stage("Writing") is None
    assert left.of_stage("Asking") == pytest.approx(140)
    left.expect(4, "light", "Writing", None)
    assert left.of_stage("Writing") == pytest.approx(1 + 2)


def test_jobs_that_run_at_once_share_the_time(left, now):
    for number in range(8):
        left.expect(number, "pass", "Asking", 100.0)
    for number in range(4):
        left.start(number)
    now[0] += 100.0
    for number in range(4):
        left.finish(number)
    assert left.seconds() == pytest.approx(4 * 100 / 4)
    # None of them is done by several jobs.
    left.expect("long", "pass", "Asking", 1000.0)
    assert left.seconds() == pytest.approx(1000)
    # Light jobs side by side at the start say nothing of passes.
    alone = TimeLeft(lambda: now[0])
    for number in range(4):
        alone.expect(number, "light", "", None)
        alone.start(number)
    now[0] += 1.0
    for number in range(4):
        alone.finish(number)
    alone.expect("first", "pass", "", 60.0)
    alone.expect("second", "pass", "", 60.0)
    assert alone.seconds() == pytest.approx(120)


def test_nothing_is_said_of_models_that_nobody_knows(left, now):
    for number in range(3):
        left.expect(number, "light", "", None)
    left.expect("pass", "pass", "", UNKNOWN)
    for number in range(3):
        done(left, now, number, 1.0)
    assert left.seconds() is None
    left.expect("pass", "pass", "", 70.0)
    assert left.seconds() == pytest.approx(70)


def test_a_pass_that_found_its_results_does_not_make_the_others_short(left, now):
    for name, seconds in (("found", 100.0), ("like", 100.0), ("third", 100.0), ("rest", 400.0)):
        left.expect(name, "pass", "", seconds)
    done(left, now, "found", 1.0)
    done(left, now, "like", 100.0)
    done(left, now, "third", 100.0)
    assert left.seconds() == pytest.approx(400)


def test_a_job_that_is_late_makes_the_rest_longer_and_its_own_bar_is_believed(left, now):
    for number in range(3):
        left.expect(number, "light", "", None)
        done(left, now, number, 0.0)
    left.expect("late", "pass", "Asking", 100.0)
    left.expect("next", "pass", "Asking", 10.0)
    left.start("late")
    now[0] += 50.0
    assert left.seconds() == pytest.approx(50 + 10)
    now[0] += 250.0
    # Three times as long as expected, and not done.
    assert left.seconds() == pytest.approx(30 + 3 * 10)
    left.goes_on("late", 600.0)
    assert left.seconds() == pytest.approx(600 + 3 * 10)
    now[0] += 100.0
    assert left.seconds() == pytest.approx(500 + 4 * 10)


def test_a_job_that_is_tried_again_is_still_the_same(left, now):
    for number in range(3):
        left.expect(number, "light", "", None)
        done(left, now, number, 0.0)
    left.expect("pass", "pass", "", 100.0)
    left.start("pass")
    now[0] += 10.0
    left.give_up("pass")
    assert left.seconds() == 0
    left.start("pass")
    assert left.seconds() == pytest.approx(100)


def test_of_a_demo_the_estimate_is_true_from_the_start(left, now):
    whole = sum(took for *_, took in DEMO)
    for number, (rule, expected, _) in enumerate(DEMO):
        left.expect(number, rule, rule, expected)
    for number, (*_, took) in enumerate(DEMO):
        left.start(number)
        for _ in range(4):
            now[0] += took / 4
            true = whole - now[0]
            if now[0] > 5 and true > 60:
                assert 0.6 * true < left.seconds() < 1.3 * true, now
        left.finish(number)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59, "59 s"), (61, "1 min"), (7199, "2.0 h"), (3 * 86400, "3.0 days")],
)
def test_durations_in_words(seconds, words):
    assert spoken(seconds) == words
