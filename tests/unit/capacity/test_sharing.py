"""The two ways of sharing a model among GPUs, set against a count of what is computed and moved."""

from __future__ import annotations

import pytest

from brodmann.capacity.sharing import NVLINK, PCIE, advice, gain
from brodmann.capacity.sizes import ModelSize
from brodmann.runner.footprint import Widths

# Llama 2 70B.
WIDTHS = Widths(80, 8192, 28672, 8192, 1024, 32000, 2)
LARGE = ModelSize(69_000_000_000, 2, WIDTHS)


def simulated(size, gpus, link, rate):
    """Block by block and all-reduce by all-reduce: a ring of n GPUs passes n-ths on, 2 (n - 1) times."""
    seconds_in_turn = seconds_together = 0.0
    own = size.widths
    for _ in range(own.layers):
        products = 2 * size.parameters / own.layers / rate
        seconds_in_turn += products  # the other GPUs wait
        seconds_together += products / gpus
        for _ in ("attention", "mlp"):
            for _ in range(2 * (gpus - 1)):
                seconds_together += own.hidden / gpus * own.dtype / link
    return seconds_in_turn / seconds_together


@pytest.mark.parametrize("gpus", [2, 4, 8])
@pytest.mark.parametrize("link", [NVLINK, PCIE])
def test_the_gain_is_that_of_a_ring_of_gpus(gpus, link):
    assert gain(LARGE, gpus, link, 2e14) == pytest.approx(simulated(LARGE, gpus, link, 2e14))


def test_links_decide_how_much_of_n_gpus_is_reached():
    assert gain(LARGE, 1, PCIE) == pytest.approx(1.0)
    assert gain(LARGE, 8, PCIE) < gain(LARGE, 8, NVLINK) < 8
    assert gain(LARGE, 8, 1e18) == pytest.approx(8)


def test_slow_links_make_it_slower_than_one_gpu():
    assert gain(LARGE, 8, 1e9) < 1


def test_experts_compute_less_beside_the_same_sums():
    mixture = ModelSize(LARGE.parameters, 2, WIDTHS, active=LARGE.parameters // 10)
    assert gain(mixture, 4, PCIE) < gain(LARGE, 4, PCIE)


def test_the_advice_names_both_ways():
    words = advice(LARGE, 4)
    assert "layers in turn" in words and "parallel: tensor" in words
    assert f"{gain(LARGE, 4, NVLINK):.1f} times" in words
