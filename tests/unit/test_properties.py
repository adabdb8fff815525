"""What must hold for any material, attribution, set of circuits and matrix (hypothesis, always the same)."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from brodmann.circuits import overlap
from brodmann.circuits.masks import SIGNS, Selection, read_mask, select_units, write_mask
from brodmann.circuits.overlap import overlap_matrices
from brodmann.errors import UserError
from brodmann.statistics.matrices import average, jaccard_of, read_foreign_matrix
from brodmann.store.masks import Origin
from brodmann.store.tables import read_matrix, write_matrix
from brodmann.tasks.catalogue import sort_key
from brodmann.tasks.definition import parse_definition
from brodmann.tasks.domains import PUBLISHED as DOMAINS
from brodmann.tasks.expand import expand
from brodmann.tasks.published import PUBLISHED_DOMAINS

always = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
word = st.text("abcdefghij", min_size=1, max_size=4)


# -- item expansion --


@st.composite
def definitions(draw):
    """A task whose two sides differ in the word that a lexicon of pairs gives."""
    pairs = draw(st.lists(st.tuples(word, word), min_size=1, max_size=6, unique=True))
    nouns = draw(st.lists(word, min_size=1, max_size=4, unique=True))
    frames = draw(st.lists(st.sampled_from(FRAMES), min_size=1, max_size=3, unique=True))
    return parse_definition(
        {
            "description": "d",
            "measures": "m",
            "prompt": {"chat": {"suffix": "Say {correct_answer} or {incorrect_answer}."}},
            "lexicon": {"pair": [{"a": a, "b": b} for a, b in pairs], "noun": nouns},
            "contrast": {"side": ["left", "right"]},
            "answers": ["{pair.a}", "{pair.b}"],
            "frames": [{"text": text} for text in frames],
        },
        "t.yaml",
    )


FRAMES = ("The {noun} on the {side} is", "{noun}, {side}:", "{Side} of the {noun} lies")


@always
@given(definitions(), st.integers(0, 5), st.integers(1, 40), st.integers(1, 40))
def test_items_of_any_material(definition, seed, count, more):
    """Minimal pairs, none twice, balanced, and the beginning of any longer list of the seed."""
    try:
        items = expand("language/t", definition, seed=seed, count=count)
    except UserError:
        return  # a frame that gives nothing
    longer = expand("language/t", definition, seed=seed, count=count + more)
    for wording, own in items.wordings.items():
        assert own == longer.wordings[wording][: len(own)]
        assert len(own) <= count
        seen = set()
        for item in own:
            assert item.clean_prompt != item.corrupted_prompt
            assert item.correct.split() != item.incorrect.split()
            sides = {(item.clean_prompt, item.correct), (item.corrupted_prompt, item.incorrect)}
            assert frozenset(sides) not in seen
            seen.add(frozenset(sides))
        # Of both roles as many, but for one in a list of odd length.
        left = sum("left" in item.clean_prompt.lower() for item in own)
        assert abs(2 * left - len(own)) <= len(own) % 2
    assert len(items.groups) == len(items)
    again = expand("language/t", definition, seed=seed, count=count)
    assert again == items


# -- masks --

scores = some.arrays(
    np.float32,
    some.array_shapes(min_dims=2, max_dims=2, max_side=7),
    # Few values: ties, zeros and both signs are common.
    elements=st.sampled_from([-2.5, -1.0, -1e-30, 0.0, 1e-30, 0.1, 1.0, 3.0]),
)


@always
@given(scores, st.sampled_from(SIGNS), st.floats(0.01, 100))
def test_masks_of_any_attribution(tmp_path, values, sign, percent):
    """As sorting every unit says, ties by place; and the same from the file."""
    flat = values.reshape(-1)
    strength = {"positive": flat, "negative": -flat, "absolute": abs(flat)}[sign]
    k = max(1, int(flat.size * percent / 100))
    ranked = sorted(range(flat.size), key=lambda unit: (-strength[unit], unit))
    expected = [unit for unit in ranked[:k] if strength[unit] > 0]
    mask = select_units(values, Selection(sign, percent))
    assert mask.units.tolist() == expected
    origin = Origin.of("m", "0", "mlp_hidden")
    write_mask(tmp_path / "mask.csv", mask, origin, Selection(sign, percent))
    again = read_mask(tmp_path / "mask.csv", values.shape[1], origin)
    assert again.units.tolist() == expected
    assert again.scores.tolist() == flat[expected].tolist()


@always
@given(scores, st.sampled_from(SIGNS), st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_smaller_mask_is_the_beginning_of_a_larger(values, sign, one, other):
    small, large = (
        select_units(values, Selection(sign, percent)).units.tolist()
        for percent in sorted((one, other))
    )
    assert small == large[: len(small)]


# -- overlap --

circuits = st.lists(st.sets(st.integers(0, 30), max_size=8), min_size=1, max_size=6)


@pytest.fixture
def few_steps(monkeypatch):
    """Scaling that does not converge gives up early."""
    monkeypatch.setattr(overlap, "_SINKHORN_STEPS", 3000)


@always
@given(circuits)
def test_overlaps_of_any_circuits(few_steps, sets):
    """Counted with sets; scaled sums are one; the order of tasks does not matter."""
    named = {f"formal/t{n}": np.array(sorted(own), dtype=np.int64) for n, own in enumerate(sets)}
    tables, unscaled = overlap_matrices(named, 8)
    for a, first in zip(named, sets, strict=True):
        for b, second in zip(named, sets, strict=True):
            assert tables["containment"].loc[a, b] == len(first & second) / 8
            union = len(first | second)
            found = tables["jaccard"].loc[a, b]
            assert found == len(first & second) / union if union else np.isnan(found)
    scaled = tables["doubly_stochastic"].to_numpy()
    kept = [n for n, task in enumerate(named) if task not in unscaled]
    sums = scaled[np.ix_(kept, kept)].sum(1)
    assert np.allclose(sums, 1, atol=2e-3) and np.isnan(np.delete(scaled, kept, 0)).all()
    turned = dict(reversed(named.items()))
    for name, table in overlap_matrices(turned, 8)[0].items():
        same = table.loc[list(named), list(named)]
        assert np.allclose(same, tables[name], atol=1e-6, equal_nan=True), name


@always
@given(circuits)
def test_jaccard_from_containment_of_equal_sizes(sets):
    equal = [set(range(n, n + 4)) for n, _ in enumerate(sets)]
    named = {f"formal/t{n}": np.array(sorted(own)) for n, own in enumerate(equal)}
    tables, _ = overlap_matrices(named, 4)
    assert np.allclose(jaccard_of(tables["containment"]), tables["jaccard"])


# -- matrices --

theirs = {ours: domain for domain, ours in PUBLISHED_DOMAINS.items()}
label = st.builds(lambda domain, name: f"{domain}/{name}", st.sampled_from(DOMAINS), word)
share = st.one_of(st.just(np.nan), st.integers(0, 10_000).map(lambda n: n / 10_000))


@st.composite
def matrices(draw, labels=None):
    """A matrix of shares with four decimals and holes, its tasks in any order."""
    own = st.lists(label, min_size=1, max_size=5, unique=True) if labels is None else labels
    tasks = draw(own)
    values = draw(st.lists(share, min_size=len(tasks) ** 2, max_size=len(tasks) ** 2))
    return pd.DataFrame(np.reshape(values, (len(tasks), -1)), tasks, tasks)


@always
@given(matrices(), st.booleans(), st.sampled_from(["", "source\\target"]), st.randoms())
def test_a_foreign_matrix_is_read_as_it_is(tmp_path, table, published, corner, dice):
    """In our order and names, whatever the order of its rows and of its columns."""
    rows, columns = (dice.sample(list(table.index), len(table)) for _ in range(2))
    shown = table.loc[rows, columns]
    if published:
        rename = {t: f"{theirs[t.partition('/')[0]]}/{t.partition('/')[2]}" for t in table.index}
        shown = shown.rename(index=rename, columns=rename)
    shown.to_csv(tmp_path / "m.csv", index_label=corner)
    found = read_foreign_matrix(tmp_path / "m.csv", low=0.0)
    assert list(found.index) == list(found.columns) == sorted(table.index, key=sort_key)
    pd.testing.assert_frame_equal(found, table.loc[found.index, found.index])


@always
@given(matrices())
def test_our_matrices_come_back(tmp_path, table):
    write_matrix(tmp_path / "m.csv", table)
    pd.testing.assert_frame_equal(read_matrix(tmp_path / "m.csv"), table)


@always
@given(matrices(), st.data())
def test_a_matrix_that_was_cut_is_never_read(tmp_path, table, data):
    """Wherever it ends: its rows are not its columns, or its last line has no end."""
    path = tmp_path / "m.csv"
    write_matrix(path, table)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(UserError, match="delete it and run again"):
        read_matrix(path)


@always
@given(st.lists(matrices(), min_size=1, max_size=4), st.randoms())
def test_an_average_counts_what_there_is(tables, dice):
    """Cell by cell the mean of the models that have it, in whatever order they come."""
    models = {f"m{n}": table for n, table in enumerate(tables)}
    mean, count = average(models)
    for source in mean.index:
        for target in mean.columns:
            values = [
                table.loc[source, target]
                for table in tables
                if source in table.index and target in table.index
            ]
            values = [value for value in values if not np.isnan(value)]
            assert count.loc[source, target] == len(values)
            if values:
                assert mean.loc[source, target] == pytest.approx(np.mean(values))
            else:
                assert np.isnan(mean.loc[source, target])
    names = list(models)
    dice.shuffle(names)
    other, _ = average({name: models[name] for name in names})
    pd.testing.assert_frame_equal(other, mean)
