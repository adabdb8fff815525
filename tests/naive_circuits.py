"""Whether baseline, attribution and ablation of a model agree with the naive reference."""

import numpy as np
import pytest
from reference import log_probability, naive_attribution, naive_lesion

from brodmann.circuits.ablation import Ablator, Lesion
from brodmann.circuits.attribution import Attributor
from brodmann.runner.answers import score_items
from brodmann.runner.encode import EncodedItem
from brodmann.runner.scoring import Scorer
from brodmann.sites import COMPONENTS

UNITS = [(0, 1), (0, 3), (1, 2), (2, 0)]


def ids(text):
    return tuple(5 + byte for byte in text.encode())


def items(start=""):
    """Dual-answer items that share a beginning; answers of one token, of several, of unequal length."""
    texts = [
        ("the cat sat", "the dog sat", "x", "y"),
        ("the cow sat", "the pig sat", "ab", "cd"),
        ("the owl sat", "the hen sat", "abc", "q"),
    ]
    return [
        EncodedItem(ids(start + clean), ids(start + corrupted), ids(correct), ids(incorrect))
        for clean, corrupted, correct, incorrect in texts
    ]


LONG = "of all the things that could be said here about it, "


# All that is done with caches: contexts read on at once or apart, shared between rows, and picked again.
SHARED = items(LONG) + items(LONG[:30]) + items()


def scores_agree(model, some):
    """The baseline of ``some`` items against the naive reference, to 1e-4."""
    whole = Scorer(model)
    scores = score_items("t", some, whole).log_probs
    for name, answer in (("clean_correct", "correct"), ("clean_incorrect", "incorrect")):
        expected = [log_probability(model.hf, it.clean, getattr(it, answer)) for it in some]
        assert scores[name] == pytest.approx(expected, abs=1e-4)


def agrees(model, some, component):
    """Baseline, attribution and ablation of ``some`` items against the naive reference, to 1e-4."""
    scores_agree(model, some)
    attributor = Attributor(model, components=(component,))
    seen = 0
    for part in attributor.contributions("t", some):
        for number, found in zip(part.numbers, part.values[component], strict=True):
            expected = naive_attribution(model, some[number], component)
            scale = expected.abs().max()
            assert scale > 1e-3
            assert (found - expected).abs().max() <= 1e-4 * scale
            seen += 1
    assert seen == len(some)
    width = model.units(COMPONENTS[component])
    lesions = [
        Lesion.of([layer * width + unit for layer, unit in own], width) for own in ([], UNITS)
    ]
    found = Ablator(model, component=component).scores(some, lesions, "corrupted")
    expected = np.array(
        [
            [naive_lesion(model, it, component, own, "corrupted") for it in some]
            for own in ([], UNITS)
        ]
    )
    assert np.abs(found - expected).max() <= 1e-4
    assert np.abs(expected[1] - expected[0]).max() > 1e-3
