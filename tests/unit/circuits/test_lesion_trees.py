"""Any items in any company, any lesions in any order, trees of any size: the same numbers."""

import numpy as np
import pytest
from example_items import ITEMS, SINGLE
from hypothesis import given, settings
from hypothesis import strategies as st
from rounding import assert_same

from brodmann.circuits.ablation import KINDS, Ablator, Lesion
from brodmann.circuits.lesions import SINGLE as SINGLE_NAMES
from brodmann.circuits.lesions import rows_of
from brodmann.runner.encode import EncodedItem

UNITS = [[], [1, 3], [50, 51, 100], [97], [2, 49, 143]]
NUMBERS = {}


def alone(model, kind):
    """[lesions, items, names]: each lesion of each item on its own."""
    if kind not in NUMBERS:
        means = np.linspace(-1, 1, 3 * 48).reshape(3, 48)
        ablator = Ablator(model)
        NUMBERS[kind] = (
            means,
            np.array(
                [
                    [
                        ablator.scores([item], [Lesion.of(own, 48)], kind, means)[0, 0]
                        for item in ITEMS
                    ]
                    for own in UNITS
                ]
            ),
        )
    return NUMBERS[kind]


@settings(max_examples=15, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_do_not_depend_on_company_order_or_size(models, kind, data):
    model = models("llama")
    assert model.neurons_per_layer == 48
    means, expected = alone(model, kind)
    items = data.draw(st.lists(st.sampled_from(range(len(ITEMS))), min_size=1, max_size=12))
    lesions = data.draw(st.permutations(range(len(UNITS))))[: data.draw(st.integers(1, 5))]
    nodes = data.draw(st.sampled_from((1, 30, 100, 512)))
    ablator = Ablator(model, batch_tokens=nodes)
    chosen = [Lesion.of(UNITS[n], 48) for n in lesions]
    done = []
    found = ablator.scores([ITEMS[n] for n in items], chosen, kind, means, done.append)
    wanted = expected[np.ix_(lesions, items)]
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(expected).max()
    assert sum(done) == len(items) * len(lesions)


def test_prompts_that_share_nothing_lie_in_lanes_too(models):
    """Of 24 prompts of 40 tokens each, attention is not to all that is run."""
    model = models("llama")
    dice = np.random.default_rng(0)
    items = [
        EncodedItem(*(tuple(row) for row in dice.integers(5, 250, (2, 40)).tolist()), (7,), (8,))
        for _ in range(24)
    ]
    ablator, lesions = Ablator(model), [Lesion.of(own, 48) for own in UNITS]
    lanes, run = [], ablator.engine.run

    def noting(query):
        lanes.append(query.tree.layout().lanes)
        return run(query)

    ablator.engine.run = noting
    found = ablator.scores(items, lesions, "corrupted")
    assert min(lanes) > 1
    for number in (0, 11, 23):
        assert_same(
            Ablator(model).scores([items[number]], lesions, "corrupted")[:, 0], found[:, number]
        )


def test_both_answers_share_the_lesioned_prompt(models):
    """Under each lesion: the changed tokens of the prompt once, and both answers' but the last."""
    model = models("llama")
    ablator = Ablator(model)
    item = EncodedItem((9, 8, 7, 6), (9, 8, 5, 6), (11, 12, 13), (11, 14, 15))
    sizes, run = [], ablator.engine.run

    def noting(query):
        sizes.append(len(query.tree))
        return run(query)

    ablator.engine.run = noting
    ablator.scores([item], [Lesion.of([0], 48), Lesion.of([1], 48)], "corrupted")
    # Shared 9 8; donor 5 6 and answers 11, 12, 14. Under each lesion 7 6, and 11, 12, 14.
    assert sizes == [2 + 2 + 3, 2 * (2 + 3)]


def test_joints_begin_where_prompts_differ():
    """That token is said something of before a lesion changes anything: the same under all lesions."""
    (clean, corrupted) = rows_of(
        EncodedItem((9, 8, 7, 6), (9, 8, 5, 6), (11, 12), None), "corrupted"
    )
    joint = SINGLE_NAMES.index("clean_joint")
    assert [(s.place, s.token) for s in clean.scores if s.name == joint] == [
        *((1, 7), (2, 6), (3, 11), (4, 12))
    ]
    answer = [(s.place, s.token) for s in clean.scores if s.name == SINGLE_NAMES.index("answer")]
    assert answer == [(3, 11), (4, 12)]
    assert [s.token for s in corrupted.scores] == [5, 6, 11, 12]
    assert clean.begin == corrupted.begin == 2


def test_single_answers_in_company(models):
    model = models("llama")
    lesions = [Lesion.of(own, 48) for own in UNITS]
    ablator = Ablator(model)
    items = [*SINGLE, EncodedItem((9, 8, 7), (4, 8, 7), (11, 12), None)]
    for kind in ("corrupted", "zero"):
        whole = ablator.scores(items, lesions, kind)
        for number, item in enumerate(items):
            assert_same(ablator.scores([item], lesions, kind)[:, 0], whole[:, number])
