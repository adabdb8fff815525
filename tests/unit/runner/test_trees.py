"""Prefix trees against their definition: a node is a prefix of a row, under the colours that apply to it."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brodmann.runner.trees import NONE, Tree

TOKENS = st.integers(0, 2)
COLOURS = st.sampled_from([None, "a", "b"])
PLACES = st.lists(st.tuples(TOKENS, COLOURS), min_size=1, max_size=5)
# (what it goes on from: nothing | some node of the tree | some node of the past, tokens with colours)
ADDED = st.tuples(st.sampled_from(["alone", "after", "hangs"]), st.integers(0, 99), PLACES)
ROWS = st.lists(ADDED, min_size=1, max_size=8)
# Lanes that rows open when the last is full, or that they choose in turn.
WIDTHS = st.sampled_from([{}, {"lane_nodes": 1}, {"lane_nodes": 4}, {"turns": 1}, {"turns": 3}])

FEW = settings(max_examples=40, deadline=None)


@dataclass
class Naive:
    """Nodes by what they are: where a row begins, and all (token, colour) down to the node."""

    prefixes: list = field(default_factory=list)  # of each node
    lanes: list = field(default_factory=list)

    def note(self, start, lane, places, nodes):
        """Every prefix of a row is one node, whoever made it first."""
        for end, node in enumerate(nodes, 1):
            prefix = (start[0], (*start[1], *places[:end]))
            if node == len(self.prefixes):
                assert prefix not in self.prefixes
                self.prefixes.append(prefix)
                self.lanes.append(lane)
            assert self.prefixes[node] == prefix and self.lanes[node] == lane


def grown(rows, past=None, turns=None, **width):
    """(tree, naive): rows after nothing, after earlier nodes, or after nodes of the past."""
    tree, naive = Tree(past, **width), Naive()
    for turn, (kind, number, places) in enumerate(rows):
        add(tree, naive, kind, number, places, turns and turn % turns)
    return tree, naive


def add(tree, naive, kind, number, places, lane=None):
    ids, colours = zip(*places, strict=True)
    if kind == "after" and len(tree):
        node = number % len(tree)
        nodes = tree.add(ids, after=node, colours=colours)
        naive.note(naive.prefixes[node], tree.lanes[node], places, nodes)
        return
    if kind == "hangs" and tree.past is not None:
        root = number % len(tree.past)
        nodes = tree.add(ids, hangs=root, colours=colours)
        naive.note((("hangs", root), ()), tree.past.lanes[root], places, nodes)
        return
    tree.open_lane(lane)
    nodes = tree.add(ids, colours=colours)
    lane = tree.lanes[nodes[0]]
    naive.note((("lane", lane), ()), lane, places, nodes)


def ancestors(tree, node):
    """Nodes from the first token to ``node``, by walking parents; those of the past as negative numbers."""
    found = []
    while node != NONE:
        found.append(node)
        last, node = node, tree.parents[node]
    root = tree.roots[last]
    before = [] if root == NONE else ancestors(tree.past, root)
    return [("past", node) for _, node in before] + [("own", node) for node in reversed(found)]


@given(ROWS, WIDTHS, ROWS)
@FEW
def test_a_tree_is_the_set_of_its_rows_prefixes(rows, width, more):
    for tree, naive in (grown(rows, **width), grown(more, grown(rows, **width)[0])):
        assert len(tree) == len(naive.prefixes) == len(set(naive.prefixes))
        assert tree.tokens == [path[-1][0] for _, path in naive.prefixes]
        assert tree.lanes == naive.lanes
        for node, (start, path) in enumerate(naive.prefixes):
            above = (start, path[:-1])
            parent = naive.prefixes.index(above) if len(path) > 1 else NONE
            assert tree.parents[node] == parent < node
            root = start[1] if start[0] == "hangs" else NONE
            assert tree.roots[node] == (root if parent == NONE else NONE)
            assert tree.depths[node] == len(ancestors(tree, node)) - 1
            of_past, own = tree.path(node)
            expected = [("past", n) for n in of_past] + [("own", n) for n in own]
            assert expected == ancestors(tree, node)
        leaves = {n for n in range(len(tree)) if n not in tree.parents}
        assert set(tree.leaves()) == leaves


@given(ROWS, WIDTHS, ROWS)
@FEW
def test_a_layout_gives_each_node_a_place_of_its_own(rows, width, more):
    past, _ = grown(rows, **width)
    for tree in (past, grown(more, past)[0]):
        layout = tree.layout()
        places = set(zip(layout.lane.tolist(), layout.position.tolist(), strict=True))
        assert len(places) == len(tree) == len(set(layout.flat.tolist()))
        sizes = [tree.lanes.count(lane) for lane in range(layout.lanes)]
        assert layout.length == max(sizes)
        # The last lane may still be filled.
        assert layout.lanes * max(sizes) - tree.size in (0, max(sizes) - sizes[-1])
        assert all(position < sizes[lane] for lane, position in places)
        # Those of a past stay beside it.
        assert layout.lanes == (1 + max(past.lanes) if tree is not past else 1 + max(tree.lanes))
        for node, parent in enumerate(tree.parents):
            assert parent == NONE or layout.position[parent] < layout.position[node]
        there = layout.spread(np.arange(1, 1 + len(tree)))
        assert there[layout.lane, layout.position].tolist() == list(range(1, 1 + len(tree)))
        assert (there == 0).sum() == there.size - len(tree)


@given(ROWS, WIDTHS, ROWS)
@FEW
def test_a_node_sees_its_ancestors_and_itself(rows, width, more):
    past, _ = grown(rows, **width)
    tree, _ = grown(more, past)
    before = past.ancestry(past.layout())
    assert_ancestry(past, before, None)
    assert_ancestry(tree, tree.ancestry(tree.layout(), before), past.layout())


def assert_ancestry(tree, seen, before):
    layout = tree.layout()
    width = 0 if before is None else before.length
    assert seen.shape == (layout.lanes, layout.length, width + layout.length)
    for node in range(len(tree)):
        lane = layout.lane[node]
        expected = set()
        for whose, other in ancestors(tree, node):
            where = layout if whose == "own" else before
            assert where.lane[other] == lane
            expected.add(int(where.position[other]) + (width if whose == "own" else 0))
        assert set(np.flatnonzero(seen[lane, layout.position[node]]).tolist()) == expected
    # A place without a node sees itself: a softmax over nothing is no number.
    assert seen.any(-1).all()


@given(ROWS, WIDTHS, ROWS, st.booleans())
@FEW
def test_what_is_taken_back_was_never_there(rows, width, more, on_a_past):
    past = grown(more)[0] if on_a_past else None
    tree, naive = grown(rows, past, **({} if on_a_past else width))

    def state():
        layout = tree.layout()
        return len(tree), tree.size, layout.lanes, layout.length, layout.flat.tolist()

    before = state()
    scratch = Naive(list(naive.prefixes), list(naive.lanes))
    for kind, number, places in more:
        add(tree, scratch, kind, number, places)
    tree.take_back(before[0])
    assert state() == before
    # It grows on by the same rules: what was taken back is made anew, what stayed is found.
    for kind, number, places in more:
        add(tree, naive, kind, number, places)
    assert len(tree) == len(set(naive.prefixes))


@given(ROWS, WIDTHS, st.lists(st.integers(0, 99), min_size=1, max_size=4))
@FEW
def test_a_narrowed_tree_has_the_ancestors_of_some_nodes_alone(rows, width, chosen):
    tree, _ = grown(rows, **width)
    nodes = [number % len(tree) for number in chosen]
    narrow, number = tree.narrowed(nodes)
    kept = {node for chosen in nodes for _, node in ancestors(tree, chosen)}
    assert set(np.flatnonzero(number != NONE).tolist()) == kept and len(narrow) == len(kept)
    for node in kept:
        own = number[node]
        assert narrow.tokens[own] == tree.tokens[node] and narrow.lanes[own] == tree.lanes[node]
        assert narrow.depths[own] == tree.depths[node]
        expected = [("own", number[other]) for _, other in ancestors(tree, node)]
        assert ancestors(narrow, own) == expected


def test_colours_part_a_row_where_they_begin():
    tree = Tree()
    plain = tree.add((1, 2, 3))
    edited = tree.add((1, 2, 3), colours=(None, "edit", "edit"))
    assert plain[0] == edited[0] and not set(plain[1:]) & set(edited[1:])
    assert tree.add((1, 2, 3), colours=(None, None, None)) == plain


def test_entries_share_nothing_across_lanes():
    tree = Tree(lane_nodes=3)
    first = tree.add((1, 2, 3))
    tree.open_lane()
    second = tree.add((1, 2))
    assert not set(first) & set(second) and tree.lanes == [0, 0, 0, 1, 1]
    # Entries may choose their lane; they share what lies there.
    tree = Tree()
    for lane, ids in ((0, (1, 2, 3)), (1, (1, 2)), (1, (1, 4)), (0, (1, 2, 3))):
        tree.open_lane(lane)
        tree.add(ids)
    assert tree.lanes == [0, 0, 0, 1, 1, 1]


def test_one_long_row_makes_all_lanes_long():
    """As long as they are run: a bound of nodes holds where rows of all lengths come together."""
    tree = Tree(lane_nodes=10)
    for start in range(20):
        tree.open_lane()
        tree.add(tuple(range(100 * start, 100 * start + 10)))
    assert tree.size == 20 * 10
    tree.open_lane()
    tree.add(tuple(range(5000, 5100)))
    layout = tree.layout()
    assert tree.size == layout.lanes * layout.length == 21 * 100
    tree.open_lane()
    tree.add((1, 2, 3))
    assert tree.size == 21 * 100 + 3


@pytest.mark.parametrize("width", [{}, {"lane_nodes": 2}])
def test_an_empty_row_has_no_nodes(width):
    tree = Tree(**width)
    assert tree.add(()) == [] and len(tree) == 0 and tree.size == 0
