"""What the engine says of a tree, against plain transformers with hooks, row by row, on whole sequences."""

import functools
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace

import accelerate
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rounding import assert_same, deviation
from tiny_hybrids import HYBRIDS
from tiny_models import _WINDOWED as WINDOWED
from tiny_models import FAMILIES, _build, tiny_model, tiny_tokenizer, with_window

from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.runner import cache_trial, pack_trial
from brodmann.runner.engine import Engine
from brodmann.runner.packed import Packed
from brodmann.runner.queries import Edit, Gradient, Query, Read, Scores, Start
from brodmann.runner.trees import Tree
from brodmann.runner.unrolled import Unrolled
from brodmann.sites import SITES

# What is much the same work in all families is tried on some, and on all by make test-all.
SOME = ("llama", "gemma2", "gpt2", "gpt-neox", "falcon", "bloom", "chatglm")
ALL = [
    pytest.param(family, marks=() if family in SOME else pytest.mark.slow)
    for family in sorted(FAMILIES)
]
# Those that take no packs, and why.
_NOTHING = "its code takes no attention_mask and no position_ids and no past_key_values"
UNPACKED = {
    "bloom": "its code takes no position_ids",
    "falcon-sequential": r"its attention is biased by distance \(ALiBi\)",
    "chatglm": _NOTHING,
    "chatglm-batch-first": _NOTHING,
}
PACKS = [param for param in ALL if param.values[0] not in UNPACKED]


def tokens(*values):
    return tuple(5 + value % 250 for value in values)


# The first three begin alike; the others are alone, one of them a beginning of another.
ROWS = (
    tokens(*range(12)),
    tokens(*range(7), 90, 91),
    tokens(*range(7), 90, 95, 96, 97),
    tokens(200, 3, 77, 5),
    tokens(200, 3, 77, 5, 18, 66, 31),
)


@dataclass
class Plain:
    """One row in plain transformers: what is edited, and what comes of it."""

    model: object

    def run(self, row, edits=(), watch=False):
        """(log-probabilities [tokens, vocabulary], (site, layer) -> [tokens, width]).

        ``edits``: (site, layer, position, dimension or None, value).
        """
        model, kept, handles = self.model, {}, []
        flip = model.architecture.layout == "sequence_first"

        def hook(place):
            def change(value):
                own = value.transpose(0, 1) if flip else value
                own = own.clone()
                for site, layer, position, dimension, new in edits:
                    if (site, layer) == place:
                        own[0, position, slice(None) if dimension is None else dimension] = new
                if watch and not own.requires_grad:
                    own = own.detach().requires_grad_(True)
                kept[place] = own
                # A copy, as some models change an output in place.
                own = own.clone()
                return own.transpose(0, 1) if flip else own

            def pre(_, args):
                return (change(args[0]), *args[1:])

            def post(_, args, out):
                if isinstance(out, tuple):
                    return (change(out[0]), *out[1:])
                return change(out)

            return pre if SITES[place[0]].side == "input" else post

        for layer in range(model.n_layers):
            block = model.hf.get_submodule(f"{model.architecture.blocks}.{layer}")
            for site in SITES:
                path = getattr(model.architecture, site, None) if site != "block_output" else None
                if site != "block_output" and path is None:
                    continue
                module = block if path is None else block.get_submodule(path)
                kind = SITES[site].side
                register = (
                    module.register_forward_pre_hook
                    if kind == "input"
                    else module.register_forward_hook
                )
                handles.append(register(hook((site, layer))))
        try:
            with torch.set_grad_enabled(watch):
                logits = model.hf(input_ids=torch.tensor([row])).logits[0]
        finally:
            for handle in handles:
                handle.remove()
        return logits.double().log_softmax(-1), kept


def planted(rows=ROWS, **width):
    """(tree, nodes of each row)."""
    tree = Tree(**width)
    ends = []
    for row in rows:
        tree.open_lane()
        ends.append(tree.add(row))
    return tree, ends


def scores_of(rows, ends):
    """Of every token of every row but the first."""
    return Scores(
        [node for own in ends for node in own[:-1]],
        [token for row in rows for token in row[1:]],
    )


def expected_scores(plain, rows, edits=lambda _: ()):
    found = []
    for number, row in enumerate(rows):
        lp, _ = plain.run(row, edits(number))
        found += [lp[n, token] for n, token in enumerate(row[1:])]
    return torch.stack(found)


def places_of(model):
    """All (site, layer) of a model."""
    return [(site, layer) for layer in range(model.n_layers) for site in SITES]


def reads_of(model, nodes, **options):
    return [Read(site, range(model.n_layers), nodes, **options) for site in SITES]


@pytest.mark.parametrize("family", ALL)
def test_scores_and_reads_of_all_sites(models, family):
    model = models(family)
    plain, engine = Plain(model), Engine(model)
    tree, ends = planted(lane_nodes=12)
    nodes = [node for own in ends for node in (own[0], own[3], own[-1])]
    at = [(number, place) for number in range(len(ROWS)) for place in (0, 3, len(ROWS[number]) - 1)]
    rows = [n % 3 for n in range(len(nodes))]
    weights = [0.5 - 0.1 * n for n in range(len(nodes))]
    query = Query(
        tree,
        scores=scores_of(ROWS, ends),
        reads=[
            *reads_of(model, nodes),
            *reads_of(model, nodes, rows=rows, weights=weights),
            Read("mlp_hidden", [1, 2], nodes, units={1: [3, 1], 2: [0]}),
            Read("mlp_hidden", [0], nodes, rows=rows),
        ],
    )
    found = engine.run(query)
    assert_same(found.scores, expected_scores(plain, ROWS))
    kept = [plain.run(row)[1] for row in ROWS]
    for number, site in enumerate(SITES):
        for layer in range(model.n_layers):
            values = torch.stack([kept[row][site, layer][0, place] for row, place in at])
            assert_same(found.reads[number][layer], values)
            sums = torch.zeros(3, values.shape[1], dtype=torch.float64)
            weighted = values.double() * torch.tensor(weights, dtype=torch.float64)[:, None]
            sums.index_add_(0, torch.tensor(rows), weighted)
            weighed = found.reads[len(SITES) + number][layer]
            assert weighed.dtype == torch.float64
            assert_same(weighed, sums)
    some = found.reads[-2]
    for layer, units in ((1, [3, 1]), (2, [0])):
        values = [kept[row]["mlp_hidden", layer][0, place][units] for row, place in at]
        assert_same(some[layer], torch.stack(values))
    values = torch.stack([kept[row]["mlp_hidden", 0][0, place] for row, place in at]).double()
    sums = torch.zeros(3, values.shape[1], dtype=torch.float64)
    assert_same(found.reads[-1][0], sums.index_add_(0, torch.tensor(rows), values))


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("family", [*PACKS, "chatglm", "bloom"])
def test_edits_of_units_and_of_the_whole_width(models, family, site):
    """The edited rows have nodes of their own from the first edit on; what they share is not edited."""
    model = models(family)
    plain, engine = Plain(model), Engine(model)
    width = plain.run(ROWS[0])[1][site, 1].shape[-1]
    whole = torch.linspace(-1, 1, width)
    tree, ends = planted()
    first = tree.add(ROWS[0], colours=[None if n < 4 else "a" for n in range(len(ROWS[0]))])
    second = tree.add(ROWS[0], colours=[None if n < 6 else "b" for n in range(len(ROWS[0]))])
    rows, nodes = [*ROWS, ROWS[0], ROWS[0]], [*ends, first, second]
    edits = [
        Edit(
            *(site, 1, torch.tensor([first[4], first[4], first[8]])),
            dimensions=torch.tensor([1, 3, 0]),
            values=torch.tensor([0.5, -2.0, 1.5]),
        ),
        Edit(site, 0, torch.tensor([second[6], second[7]]), None, torch.stack([whole, -whole])),
    ]
    naive = {
        len(ROWS): [(site, 1, 4, 1, 0.5), (site, 1, 4, 3, -2.0), (site, 1, 8, 0, 1.5)],
        len(ROWS) + 1: [(site, 0, 6, None, whole), (site, 0, 7, None, -whole)],
    }
    reads = reads_of(model, [first[4], first[-1], second[6], second[-1]])
    found = engine.run(Query(tree, scores=scores_of(rows, nodes), edits=edits, reads=reads))
    expected = expected_scores(plain, rows, lambda number: naive.get(number, ()))
    assert_same(found.scores, expected)
    unedited = expected_scores(plain, rows)
    assert deviation(expected, unedited) > 1e-3, "the edits change nothing: the test sees nothing"
    for number, name in enumerate(SITES):
        kept = [plain.run(ROWS[0], naive[n])[1] for n in (len(ROWS), len(ROWS) + 1)]
        for layer in range(model.n_layers):
            values = [kept[0][name, layer][0, place] for place in (4, -1)]
            values += [kept[1][name, layer][0, place] for place in (6, -1)]
            assert_same(found.reads[number][layer], torch.stack(values))


@pytest.mark.parametrize("family", ALL)
def test_gradients_with_respect_to_several_sites(models, family):
    model = models(family)
    plain, engine = Plain(model), Engine(model)
    tree, ends = planted(lane_nodes=12)
    asked = scores_of(ROWS, ends)
    signs = [(-1.0) ** n * (1 + n % 3) for n in range(len(asked.nodes))]
    places = places_of(model)
    # One that several rows share, and ends.
    nodes = [ends[0][5], ends[0][8], ends[2][-2], ends[3][1]]
    found = engine.run(Query(tree, scores=asked, gradient=Gradient(signs, places, nodes)))
    assert_same(found.scores, expected_scores(plain, ROWS))
    expected = {place: [0.0] * len(nodes) for place in places}
    values = {}
    sign = iter(signs)
    for row, own in zip(ROWS, ends, strict=True):
        lp, kept = plain.run(row, watch=True)
        metric = sum(next(sign) * lp[n, token] for n, token in enumerate(row[1:]))
        gradients = torch.autograd.grad(metric, [kept[place] for place in places])
        for place, gradient in zip(places, gradients, strict=True):
            for n, node in enumerate(nodes):
                if node in own:
                    at = own.index(node)
                    expected[place][n] = expected[place][n] + gradient[0, at]
                    values[place, n] = kept[place][0, at].detach()
    for place in places:
        assert_same(found.gradients[place], torch.stack(expected[place]))
        assert_same(found.values[place], torch.stack([values[place, n] for n in range(len(nodes))]))


TAILS = (tokens(41, 42), tokens(41, 43, 44), tokens(9))


def hung(past, ends, rows=ROWS):
    """(tree of tails after some node of each row, whole rows, nodes of each tail, where they begin)."""
    tree, whole, nodes, starts = Tree(past=past.tree), [], [], []
    for row, own in zip(rows, ends, strict=True):
        for tail in TAILS:
            hang = len(row) - 2
            whole.append(row[: hang + 1] + tail)
            nodes.append(tree.add(tail, hangs=own[hang]))
            starts.append(hang + 1)
    return tree, whole, nodes, starts


def assert_tails(model, engine, past, tree, whole, nodes, starts):
    """Scores, reads, edits and gradients of tails: against whole sequences."""
    plain = Plain(model)
    sites = ("mlp_hidden", "heads", "block_output")
    places = [(site, layer) for layer in range(model.n_layers) for site in sites]
    edited = [n for n in range(len(whole)) if len(nodes[n]) == 3]
    edits = [
        Edit(
            *("mlp_hidden", 1, torch.tensor([nodes[n][1] for n in edited])),
            dimensions=torch.tensor([n % 5 for n in edited]),
            values=torch.tensor([0.3 * n - 2 for n in edited]),
        )
    ]
    scored = [n for n in range(len(whole)) if len(nodes[n]) > 1]
    asked = Scores([nodes[n][-2] for n in scored], [whole[n][-1] for n in scored])
    signs = [1.0 - 0.4 * n for n in range(len(scored))]
    ends = [own[-1] for own in nodes]
    query = Query(
        tree,
        past=past,
        scores=asked,
        edits=edits,
        reads=[Read(site, range(model.n_layers), ends) for site in sites],
        gradient=Gradient(signs, places, [own[0] for own in nodes]),
    )
    found = engine.run(query)
    scores, read, total = [], {}, {}
    for n, row in enumerate(whole):
        own = [("mlp_hidden", 1, starts[n] + 1, n % 5, 0.3 * n - 2)] if n in edited else []
        lp, kept = plain.run(row, own, watch=True)
        for place in places:
            read[place, n] = kept[place][0, -1].detach()
        if n not in scored:
            continue
        score = lp[len(row) - 2, row[-1]]
        scores.append(score.detach())
        found_here = torch.autograd.grad(
            signs[scored.index(n)] * score, [kept[place] for place in places]
        )
        for place, gradient in zip(places, found_here, strict=True):
            node = nodes[n][0]
            total[place, node] = total.get((place, node), 0) + gradient[0, starts[n]]
    assert_same(found.scores, torch.stack(scores))
    for number, site in enumerate(sites):
        for layer in range(model.n_layers):
            values = torch.stack([read[(site, layer), n] for n in range(len(whole))])
            assert_same(found.reads[number][layer], values)
    for place in places:
        none = torch.zeros_like(next(iter(found.gradients[place])))
        values = [total.get((place, own[0]), none) for own in nodes]
        assert_same(found.gradients[place], torch.stack(values))


@pytest.mark.parametrize("family", ALL)
def test_tails_of_a_past_and_of_a_narrowed_one(models, family):
    model = models(family)
    engine = Engine(model)
    first, ends = planted(lane_nodes=12)
    past = engine.run(Query(first, keep=True)).past
    assert_tails(model, engine, past, *hung(past, ends))
    # Again: the past is as it was. Then a past of three rows alone.
    narrow, number = engine.narrowed(past, [ends[n][-1] for n in (1, 2, 4)])
    own = [[int(number[node]) for node in ends[n]] for n in (1, 2, 4)]
    assert_tails(model, engine, narrow, *hung(narrow, own, [ROWS[n] for n in (1, 2, 4)]))
    assert_tails(model, engine, past, *hung(past, ends))


@pytest.mark.parametrize("family", ALL)
def test_blocks_below_a_start_need_not_be_run(models, family):
    """What block 0 puts out is given, with an edit in it: all that is above is as if it had been made."""
    model = models(family)
    engine, plain = Engine(model), Plain(model)
    tree, ends = planted(lane_nodes=12)
    asked = scores_of(ROWS, ends)
    every = list(range(len(tree)))
    query = Query(tree, scores=asked, reads=[Read("block_output", [0], every)])
    [below] = engine.run(query).reads
    edits = [Edit("mlp_hidden", 1, torch.tensor([ends[4][2]]), torch.tensor([3]), torch.ones(1))]
    reads = [Read("mlp_hidden", [1, 2], [own[-1] for own in ends])]
    query = Query(tree, scores=asked, edits=edits, reads=reads, start=Start(1, below[0]))
    found = engine.run(query)
    # Rows 3 and 4 share the node that is edited.
    own = lambda n: [("mlp_hidden", 1, 2, 3, 1.0)] if n in (3, 4) else ()  # noqa: E731
    assert_same(found.scores, expected_scores(plain, ROWS, own))
    for layer in (1, 2):
        kept = [plain.run(row, own(n))[1]["mlp_hidden", layer] for n, row in enumerate(ROWS)]
        assert_same(found.reads[0][layer], torch.stack([values[0, -1] for values in kept]))


# One route against the other, and one pack against another: in float64, so that only mistakes make a
# difference (some families take softmax or norms in float32 all the same).


def wide(family):
    hf = with_window(family[0], family[1]) if isinstance(family, tuple) else tiny_model(family)
    return wrap_model(hf.double(), tiny_tokenizer(), name=str(family))


def close(found, expected):
    assert deviation(found, expected) <= 1e-5


def everything(model, tree, ends, past=None):
    """A query with scores, reads, edits and a gradient at all sites."""
    asked = Scores([own[-2] for own in ends], [7 + n for n in range(len(ends))])
    return Query(
        tree,
        past=past,
        scores=asked,
        edits=[
            Edit("heads", 0, torch.tensor([ends[0][-2]]), torch.tensor([2]), torch.ones(1)),
            Edit("mlp_output", 1, torch.tensor([ends[1][-1]]), None, torch.ones(1, 32)),
        ],
        reads=[
            *reads_of(model, list(range(len(tree)))),
            *reads_of(model, list(range(len(tree))), rows=[0] * len(tree)),
        ],
        gradient=Gradient(
            [1.0 - 0.3 * n for n in range(len(ends))], places_of(model), list(range(len(tree)))
        ),
    )


@pytest.mark.parametrize("family", PACKS)
def test_both_routes_give_the_same(family):
    model = wide(family)
    packed, unrolled = Packed(model), Unrolled(model)
    tree, ends = planted(lane_nodes=12)
    one = packed.run(replace(everything(model, tree, ends), keep=True))
    other = unrolled.run(replace(everything(model, tree, ends), keep=True), 30)
    same(one, other)
    # Edits are no part of what tails see, by either route: their past is read without.
    first = packed.run(Query(tree, keep=True)).past, unrolled.run(Query(tree, keep=True), 30).past
    more = Tree(past=tree)
    tips = [more.add(tail, hangs=own[1]) for own in ends for tail in TAILS[:2]]
    same(
        packed.run(everything(model, more, tips, first[0])),
        unrolled.run(everything(model, more, tips, first[1]), 30),
    )


def same(one, other):
    close(one.scores, other.scores)
    for found, expected in zip(one.reads, other.reads, strict=True):
        assert found.keys() == expected.keys()
        for layer in found:
            close(found[layer], expected[layer])
    assert one.gradients.keys() == other.gradients.keys() == one.values.keys()
    for place in one.gradients:
        close(one.gradients[place], other.gradients[place])
        close(one.values[place], other.values[place])


@pytest.fixture(scope="module")
def wides():
    made = {}

    def get(family):
        if family not in made:
            made[family] = wide(family)
        return made[family]

    return get


def numbers_of(model, rows, batch_tokens, lane_nodes, **options):
    """Of each row (number, tokens): all that is asked of it, edits of its own included, as one list."""
    engine = Engine(model, batch_tokens)
    engine.lane_nodes = min(lane_nodes, batch_tokens)
    places = [("mlp_hidden", 0), ("heads", 1), ("block_output", 1), ("mlp_hidden", 2)]

    def add(tree, entry):
        number, ids = entry
        # Its last two tokens are its own, as they are edited.
        colours = [None] * (len(ids) - 2) + [number] * 2
        return tree.add(ids, colours=colours)

    def run(tree, held):
        last = [nodes[-2] for _, nodes in held]
        own = torch.tensor([number for (number, _), _ in held])
        query = Query(
            tree,
            scores=Scores(last, [ids[-1] for (_, ids), _ in held]),
            edits=[Edit("mlp_hidden", 1, torch.tensor(last), own % 40, own / 7)],
            reads=[
                Read("mlp_output", [0, 2], [nodes[0] for _, nodes in held]),
                Read("block_output", [2], last, rows=range(len(held)), weights=[0.5] * len(held)),
            ],
            gradient=Gradient([1.0] * len(held), places, last),
        )
        found = engine.run(query)
        parts = [
            found.scores[:, None],
            *(value for read in found.reads for value in read.values()),
            *(found.gradients[place] for place in places),
            *(found.values[place] for place in places),
        ]
        table = torch.cat([part.double() for part in parts], dim=1)
        return {number: table[n] for n, ((number, _), _) in enumerate(held)}

    parts = engine.each(rows, add, run, **options)
    return {number: values for part in parts for number, values in part.items()}


LETTERS = st.integers(5, 7)
TEXTS = st.lists(st.lists(LETTERS, min_size=3, max_size=9).map(tuple), min_size=1, max_size=7)
WINDOWED_ONES = [("mistral", 4), ("gemma3", 4)]


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "bloom", "chatglm", *WINDOWED_ONES])
@given(texts=TEXTS, data=st.data())
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_order_company_and_size_do_not_matter(wides, family, texts, data):
    model, rows = wides(family), list(enumerate(texts))
    order = data.draw(st.permutations(rows))
    some = order[: data.draw(st.integers(1, len(rows)))]
    size, lane = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    found = numbers_of(model, some, size, lane)
    assert found.keys() == {number for number, _ in some}
    for row in some:
        alone = numbers_of(model, [row], 100, 100)
        close(found[row[0]], alone[row[0]])


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=() if family in ("mistral", "gemma3") else pytest.mark.slow)
        for family in sorted(WINDOWED)
    ],
)
@pytest.mark.parametrize("window", [2, 5])
def test_windows_shorter_than_the_rows(family, window):
    """By depth, not by place in the pack: a node's window holds its own ancestors."""
    model = wrap_model(with_window(family, window), tiny_tokenizer(), name=family)
    engine, plain = Engine(model), Plain(model)
    assert engine.packs, engine.refusal
    tree, ends = planted(lane_nodes=12)
    first = engine.run(Query(tree, scores=scores_of(ROWS, ends), keep=True))
    expected = expected_scores(plain, ROWS)
    assert_same(first.scores, expected)
    far = wrap_model(with_window(family, 64), tiny_tokenizer(), name=family)
    assert deviation(expected_scores(Plain(far), ROWS), expected) > 1e-3, "no window was too short"
    assert_tails(model, engine, first.past, *hung(first.past, ends))
    chosen = [1, 4]
    narrow, number = engine.narrowed(first.past, [ends[n][-1] for n in chosen])
    own = [[int(number[node]) for node in ends[n]] for n in chosen]
    assert_tails(model, engine, narrow, *hung(narrow, own, [ROWS[n] for n in chosen]))


@pytest.mark.parametrize("family", [*PACKS, "bloom"])
def test_bfloat16(family):
    """Its rounding depends on what is run together; a wrong mask or position would be far beyond it."""
    model = wrap_model(tiny_model(family).bfloat16(), tiny_tokenizer(), name=family)
    engine = Engine(model)
    assert engine.packs == (family not in UNPACKED), engine.refusal
    tree, ends = planted(lane_nodes=12)
    found = engine.run(
        Query(tree, scores=scores_of(ROWS, ends), reads=reads_of(model, [own[-1] for own in ends]))
    )
    plain = Plain(model)
    assert_same(found.scores, expected_scores(plain, ROWS), torch.bfloat16)
    for number, site in enumerate(SITES):
        for layer in range(model.n_layers):
            values = torch.stack([plain.run(row)[1][site, layer][0, -1] for row in ROWS])
            assert_same(found.reads[number][layer], values, torch.bfloat16)


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_weights_that_wait_in_host_memory(models, family):
    hf = accelerate.cpu_offload(tiny_model(family), execution_device=torch.device("cpu"))
    model, plain = wrap_model(hf, tiny_tokenizer(), name=family), models(family)
    tree, ends = planted(lane_nodes=12)
    same_in_float32(
        Engine(model).run(everything(model, tree, ends)),
        Engine(plain).run(everything(plain, tree, ends)),
    )


def same_in_float32(one, other):
    assert_same(one.scores, other.scores)
    for found, expected in zip(one.reads, other.reads, strict=True):
        for layer in found:
            assert_same(found[layer], expected[layer])
    for place in one.gradients:
        assert_same(one.gradients[place], other.gradients[place])


# Who takes packs


@pytest.mark.parametrize("family", ALL)
def test_who_takes_packs(models, family):
    engine = Engine(models(family))
    assert engine.packs == (family not in UNPACKED)
    if family in UNPACKED:
        assert re.fullmatch(UNPACKED[family], engine.refusal)
    else:
        assert engine.refusal == ""


PURE = ("mamba", "mamba2", "falcon-mamba", "rwkv")


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=() if family in ("lfm2", "mamba2") else pytest.mark.slow)
        for family in HYBRIDS
    ],
)
def test_recurrent_states_take_none(family):
    model = wrap_model(tiny_model(HYBRIDS[family]), tiny_tokenizer(), name=family, wanted=())
    reason = pack_trial.refusal(model)
    assert reason == (
        "its code takes no position_ids and no past_key_values"
        if family in PURE
        else "its layers are not all attention with a cache of its own"
    )


def tampered(hf, change, dtype=torch.float32):
    """A model whose code does something else with what it is given: ``change`` alters the options."""
    forward = hf.to(dtype).forward

    @functools.wraps(forward)
    def other(*args, **options):
        change(options)
        return forward(*args, **options)

    hf.forward = other
    return wrap_model(hf, tiny_tokenizer(), name="tampered")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ignored", ["attention_mask", "position_ids"])
@pytest.mark.parametrize("family", PACKS)
def test_a_model_that_ignores_what_a_pack_needs_is_refused(family, ignored, dtype):
    model = tampered(tiny_model(family), lambda options: options.pop(ignored, None), dtype)
    assert pack_trial.refusal(model) == "a mask by ancestry changes its logits"


def forget_beyond(window):
    """As a sliding layer's own cache would: the keys that were read first go."""

    def change(options):
        cache = options.get("past_key_values")
        if cache is not None and cache.get_seq_length() > window:
            for layer in cache.layers:
                layer.keys[:, :, :-window] = 0.0

    return change


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_logits_are_made_where_they_are_scored_alone(models, family):
    """A vocabulary is wide: logits of whole prompts would be most of the work, and of the memory."""
    model, rows = models(family), ROWS[:3]
    engine = Engine(model)
    tree, ends = planted(rows)
    scores = Scores([own[-2] for own in ends], [row[-1] for row in rows])
    seen = []
    head = model.hf.get_output_embeddings()
    with head.register_forward_hook(lambda *given: seen.append(given[2].shape[:2].numel())):
        found = engine.run(Query(tree, scores=scores)).scores
    # Row by row: the scored token and the last one.
    assert sum(seen) == len(rows) * (1 if engine.packs else 2)
    plain = Plain(model)
    expected = [plain.run(row)[0][-2, row[-1]] for row in rows]
    assert_same(found, torch.stack(expected))


LONG_ROPE = {"short_factor": [1.0] * 4, "long_factor": [1.0, 2.0, 4.0, 8.0]}
RESCALED = {
    "Llama": ({"rope_type": "dynamic", "factor": 4.0}, {"max_position_embeddings": 40}),
    "Phi3": ({"rope_type": "longrope", **LONG_ROPE}, {"original_max_position_embeddings": 40}),
}


@pytest.mark.parametrize("family", RESCALED)
def test_rows_that_rescale_the_positions_of_others_are_refused(family):
    """Where angles depend on the longest row, a short row's numbers would hang on its company."""
    rope, room = RESCALED[family]
    built = tiny_model(
        lambda: _build(family, rope_parameters={"rope_theta": 10000.0, **rope}, **room)
    )
    model = wrap_model(built, tiny_tokenizer(), name=family)
    engine, rows = Engine(model), [*ROWS, tokens(*range(100, 140))]
    assert engine.packs, engine.refusal
    tree, ends = planted(rows)
    expected = expected_scores(Plain(model), rows)
    assert_same(engine.run(Query(tree, scores=scores_of(rows, ends))).scores, expected)
    rows.append(tokens(*range(100, 141)))
    tree, ends = planted(rows)
    query = Query(tree, scores=scores_of(rows, ends))
    assert deviation(Packed(model).run(query).scores[: len(expected)], expected) > 1e-3
    with pytest.raises(UserError, match="of 41 tokens; beyond 40 the model rescales positions"):
        engine.run(query)


@pytest.mark.parametrize("unrolled", [False, True])
def test_rows_longer_than_the_table_of_positions_are_refused(models, unrolled, monkeypatch):
    """Also where only what goes on from a tree is too long."""
    engine = Engine(models("gpt2"))
    if unrolled:
        monkeypatch.setattr(engine, "_packed", None)
        monkeypatch.setattr(engine, "_unrolled", Unrolled(engine.model))
    refused = pytest.raises(UserError, match="a text of 513 tokens; the model reads at most 512")
    row = tokens(*range(513))
    tree, ends = planted([row])
    with refused:
        engine.run(Query(tree, scores=Scores(ends[0][:1], row[1:2])))
    tree, ends = planted([row[:512]])
    first = engine.run(Query(tree, scores=Scores(ends[0][:1], row[1:2]), keep=True))
    more = Tree(past=tree)
    [node] = more.add(row[512:], hangs=ends[0][-1])
    with refused:
        engine.run(Query(more, past=first.past, scores=Scores([node], [5])))


def test_a_cache_that_is_wrong_beyond_a_window_is_refused():
    model = tampered(with_window("mistral", 24), forget_beyond(24))
    assert pack_trial.refusal(model) == "a mask by ancestry changes its logits"
    # Within it there is nothing to be seen: the trial has to go beyond.
    pairs = pack_trial._comparisons(model, Packed(model))
    assert [cache_trial.close(*next(pairs), 1e-3) for _ in range(4)] == [True, True, True, False]


def test_a_model_that_fails_is_refused_with_what_it_says():
    def fail(options):
        if getattr(options.get("attention_mask"), "ndim", 0) == 4:
            raise ValueError("masks of two dimensions only\nand more")

    reason = pack_trial.refusal(tampered(tiny_model("llama"), fail))
    said = "ValueError: masks of two dimensions only"
    assert reason == f"it fails with a mask by ancestry ({said})"


@contextmanager
def counted(model):
    """A list that grows with every forward pass."""
    ran = []
    hook = model.hf.register_forward_pre_hook(lambda *_: ran.append(1))
    yield ran
    hook.remove()


def test_whole_sequences_of_one_length_are_run_at_once(models, monkeypatch):
    """What packs are compared with, however many fit."""
    model = models("llama")
    rows = [
        (3, 1, 4, 1, 5, 9),
        (2, 7, 1, 8, 2),
        (1, 4, 1, 4, 2, 1),
        (5, 7, 7, 2, 1),
        (6, 6, 2, 6, 0, 7),
    ]
    with torch.no_grad():
        alone = [model.hf(input_ids=torch.tensor([row])).logits[0, -4:] for row in rows]
    expected = torch.cat(alone).double().log_softmax(-1)[:, pack_trial._looked_at(model)]
    for most, passes in ((256, 2), (12, 3), (1, 5)):
        monkeypatch.setattr(pack_trial, "_AT_ONCE", most)
        with counted(model) as ran:
            found = pack_trial._expected(model, rows)
        assert len(ran) == passes
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
