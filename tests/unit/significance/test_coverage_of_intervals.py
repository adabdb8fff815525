"""How far intervals over few tasks can be trusted: by simulation, as docs/conclusions.md says it."""

import numpy as np
import pytest

from brodmann.significance.intervals import of_mean


@pytest.mark.parametrize(("n", "holds"), [(2, 0.51), (3, 0.74), (5, 0.82), (8, 0.88), (12, 0.91)])
def test_intervals_of_few_values_are_too_short(n, holds):
    """Means of normal values: how many of 1,000 intervals hold the true one."""
    drawn = np.random.default_rng(0).normal(3, 2, size=(1000, n))
    found = np.array([of_mean(values, seed) for seed, values in enumerate(drawn)])
    share = ((found[:, 0] <= 3) & (found[:, 1] >= 3)).mean()
    assert share == pytest.approx(holds, abs=0.04)  # the standard error is at most 0.016
