"""Where units are strongest, against plain hooks that read one text at a time."""

import numpy as np
import pytest
import torch
from naive_sites import naive_activations, site_module
from rounding import assert_same
from tiny_mixtures import MIXTURES
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.models.load import wrap_model
from brodmann.networks.extraction import Extractor
from brodmann.runner.peaks import Highest, Watch, counted
from brodmann.sites import HEADS, SITES

# Two begin alike: their nodes are shared.
ROWS = [(5, 9, 2, 7, 30), (5, 9, 2, 8), (1, 2, 3, 4, 5, 6, 7), (8, 8, 9), (11, 3), (4,)]
# Not in the order of layers.
UNITS = {
    "mlp_hidden": [(2, 40), (0, 3), (2, 0), (1, 7)],
    "heads": [(1, 3), (0, 0), (1, 1)],
    "mlp_output": [(2, 5), (0, 5)],
    "block_output": [(1, 31)],
}


def naive(model, site, unit):
    """A unit's values at every token of every text, one array per text."""
    layer, number = unit
    found = []
    for row in ROWS:
        values = naive_activations(model, row, site)[layer]
        if SITES[site].width == HEADS:
            size = model.head_dim
            alone = torch.zeros_like(values)
            own = slice(number * size, (number + 1) * size)
            alone[:, own] = values[:, own]
            module = site_module(model, site, layer)
            with torch.no_grad():
                written = module(alone.to(model.dtype)) - module(0 * alone.to(model.dtype))
            found.append(written.double().norm(dim=1).numpy())
        else:
            found.append(values[:, number].numpy())
    return found


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "gpt-neox", "mixtral"])
def test_places_are_those_of_plain_hooks(models, family):
    if family in MIXTURES:
        model = wrap_model(tiny_model(MIXTURES[family]), tiny_tokenizer(), name="m", wanted=())
    else:
        model = models(family)
    # The second token of the third text does not count either.
    counts = [np.arange(len(row)) > 0 for row in ROWS]
    counts[2][1] = False
    asked = dict(UNITS)
    if family in MIXTURES:
        del asked["mlp_hidden"]  # what experts' neurons are is held against loops in test_experts
    watch, k = Watch(model, asked, counts, 3), 3
    read = dict(Extractor(model, batch_tokens=9).runs(ROWS, watch=watch))
    assert len(read) == len(ROWS)
    peaks = watch.peaks()
    assert set(peaks) == set(asked)
    for site, own in peaks.items():
        assert own.units.tolist() == [list(unit) for unit in UNITS[site]]
        for row, unit in enumerate(UNITS[site]):
            values = naive(model, site, unit)
            every, which = np.concatenate(values), np.concatenate(counts)
            kept = np.sort(every[which])
            assert_same(own.high[row], kept[::-1][:k])
            assert which[own.high_at[row]].all()
            assert_same(every[own.high_at[row]], kept[::-1][:k])
            if site == "heads":
                assert not own.low.size and not own.low_at.size
            else:
                assert_same(own.low[row], kept[:k])
                assert_same(every[own.low_at[row]], kept[:k])
            assert_same([own.mean[row], own.sd[row]], [kept.mean(), kept.std()])
            firsts = [text[0] for text in values]
            assert_same([own.first[row]], [max(firsts, key=abs)])


def test_the_signals_that_are_read_beside_are_the_same(models):
    model = models("llama")
    counts = [np.arange(len(row)) > 0 for row in ROWS]
    alone = dict(Extractor(model).runs(ROWS))
    beside = dict(Extractor(model).runs(ROWS, watch=Watch(model, UNITS, counts, 2)))
    for number, values in alone.items():
        assert_same(beside[number], values)


def test_the_highest_are_the_first_of_equal_ones():
    """Against a sort of all, in blocks of any size, with many ties."""
    dice = np.random.default_rng(3)
    values = dice.integers(0, 6, (60, 9)).astype(np.float32)
    values[:, 4] = 0
    places = dice.permutation(1000)[:60]
    for k in (1, 4, 60, 70):
        highest, start = Highest(9, k), 0
        while start < 60:
            stop = start + int(dice.integers(0, 9))
            highest.add(values[start:stop], places[start:stop])
            start = stop
        order = np.argsort(-values, axis=0, kind="stable")[:k]
        assert np.array_equal(highest.values, np.take_along_axis(values, order, 0))
        assert np.array_equal(highest.places, places[order])


def test_first_and_special_tokens_and_parts_of_characters_do_not_count():
    # A special token, "ab", the two bytes of a letter, "c", a special token, "d".
    counts, starts = counted([0, 2, 3, 3, 4, 0, 5], (1,) * 7)
    assert counts.tolist() == [False, True, True, False, True, False, True]
    assert starts[counts].tolist() == [0, 2, 3, 4]
    # Without special tokens the first is one of the text.
    counts, _ = counted([1, 2], (5, 6))
    assert counts.tolist() == [False, True]
