"""A past that is narrowed to what is gone on from, and lanes that entries choose."""

import numpy as np
import pytest
import torch
from reference import log_probability
from rounding import assert_same

from brodmann.runner.engine import Engine
from brodmann.runner.queries import Query, Scores
from brodmann.runner.trees import NONE, Tree

# Prefixes that share a beginning, one of them longer; what goes on from each of their nodes.
ROWS = [(9, 8, 7, 6, 5), (9, 8, 7, 10), (11, 12), (9, 13, 14, 15, 16, 17, 18)]
MORE = [(20, 21, 22), (23,), (24, 25)]


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "bloom"])
@pytest.mark.parametrize("lanes", [1, 3])
def test_what_goes_on_from_a_narrowed_past_is_what_whole_sequences_give(models, family, lanes):
    model = models(family)
    engine = Engine(model)
    tree, ends = Tree(), []
    for number, row in enumerate(ROWS):
        tree.open_lane(number % lanes)
        ends.append(tree.add(row))
    past = engine.run(Query(tree, keep=True)).past
    # The second row is left out, but for what it shares; of the last, its end.
    hung = [(0, 4), (0, 2), (2, 1), (3, 2)]
    narrow, number = engine.narrowed(past, [ends[row][place] for row, place in hung])
    left = {ends[1][3], *ends[3][3:]} - {node for own in (ends[0], ends[2]) for node in own}
    assert set(np.flatnonzero(number == NONE)) >= left
    assert len(narrow.tree) == len(tree) - np.count_nonzero(number == NONE)
    more, nodes, expected = Tree(past=narrow.tree), [], []
    for row, place in hung:
        for own in MORE:
            added = more.add(own, hangs=int(number[ends[row][place]]))
            nodes.append((added[-1], 30))
            expected.append(log_probability(model.hf, ROWS[row][: place + 1] + own, (30,)))
    scores = Scores(*zip(*nodes, strict=True))
    assert_same(engine.run(Query(more, past=narrow, scores=scores)).scores, expected)
    # The past itself is as it was.
    whole = Tree(past=tree)
    last = [whole.add(MORE[0], hangs=own[-1])[-1] for own in ends]
    found = engine.run(Query(whole, past=past, scores=Scores(last, [30] * len(last)))).scores
    assert_same(found, [log_probability(model.hf, row + MORE[0], (30,)) for row in ROWS])


def test_lanes_that_entries_choose_are_kept_when_one_is_taken_back():
    tree = Tree()
    for lane, row in ((1, ROWS[0]), (0, ROWS[2])):
        tree.open_lane(lane)
        tree.add(row)
    assert tree.size == 2 * 5
    tree.open_lane(2)
    tree.add(ROWS[3])
    assert tree.size == 3 * 7
    tree.take_back(7)
    assert tree.size == 2 * 5
    assert tree.lanes == [1] * 5 + [0] * 2


def test_a_lane_that_is_full_is_left_once():
    """However often a lane is asked for before anything is put into it."""
    tree = Tree(lane_nodes=2)
    for row in (ROWS[0], ROWS[2]):
        tree.open_lane()
        tree.open_lane()
        tree.add(row)
    assert tree.lanes == [0] * 5 + [1] * 2


def test_a_narrowed_tree_has_the_same_paths():
    dice = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 3, (20, 6), generator=dice).tolist()
    tree = Tree()
    ends = [tree.add(row)[-1] for row in rows]
    narrow, number = tree.narrowed(ends[::2])
    for row, end in zip(rows, ends, strict=True):
        if number[end] != NONE:
            _, path = narrow.path(int(number[end]))
            assert [narrow.tokens[node] for node in path] == row
    assert {len(narrow.path(leaf)[1]) for leaf in narrow.leaves()} == {6}
