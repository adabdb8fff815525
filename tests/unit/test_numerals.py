"""Numbers as print has them."""

import pytest

from brodmann.numerals import minus, power_of_ten, whole
from brodmann.report.wording import big, points, points_between, share, times
from brodmann.statistics.printed import between, decimals, latex_text


@pytest.mark.parametrize(
    ("plain", "shown"),
    [
        ("-0.7", "−0.7"),
        ("[-0.1, -0.05]: 2e-05 (-3)", "[−0.1, −0.05]: 2e−05 (−3)"),
        # Names, ranges and words keep theirs.
        ("network-0 of gpt-2, 1-2, range-90-99.5, well-known - so", None),
    ],
)
def test_a_minus_stands_before_numbers_only(plain, shown):
    assert minus(plain) == (shown or plain)


def test_halves_are_rounded_away_from_zero():
    values = (12.5, 37.5, 62.5, 100 * 0.285, 12.49, -12.5, -0.4, 0.0)
    assert [whole(value) for value in values] == ["13", "38", "63", "29", "12", "-13", "0", "0"]


def test_powers_of_ten():
    assert [power_of_ten(n) for n in (0, 6, 12, -3)] == ["10⁰", "10⁶", "10¹²", "10⁻³"]


def test_no_number_of_the_report_has_a_hyphen():
    row = {"coefficient": -0.25, "low": -0.5, "high": 0.125}
    assert points_between(row, "coefficient") == "−25.0 [−50.0, 12.5]"
    assert (points(-0.0312), points(-0.0001), share(-0.25)) == ("−3.1", "0.0", "−25.0 %")
    assert (points(float("nan")), share(float("nan"))) == ("–", "–")
    assert (decimals(2)(-0.5), between(1)(-2.0, -1.0)) == ("−0.50", "[−2.0, −1.0]")
    assert latex_text("−0.5") == "$-$0.5"


def test_perplexities_and_how_many_times_as_large():
    assert [big(value) for value in (35.04, 51275.8, 1.5e6, float("inf"))] == [
        *("35.0", "51,276", "1.5 × 10⁶", "infinity")
    ]
    values = (1.024, 850.0, 1.5e6, float("inf"), float("nan"))
    shown = ["× 1.02", "× 850", "× 1.5 × 10⁶", "× infinity", "–"]
    assert [times(value) for value in values] == shown
