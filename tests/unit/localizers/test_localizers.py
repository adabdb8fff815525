"""Localizers against scipy and plain transformers: one text at a time, hooks, no batch."""

import warnings

import numpy as np
import pytest
import torch
from naive_sites import SOME, naive_activations, rows_of
from rounding import assert_same, computes_in
from scipy.stats import false_discovery_control, ttest_ind
from tiny_models import FAMILIES, tiny_model, tiny_tokenizer

from brodmann.config.localizer import Size, parse_range
from brodmann.errors import UserError
from brodmann.localizers.selection import random_units, select, write_units
from brodmann.localizers.selectivity import Moments, Selectivity, measure, welch
from brodmann.models.load import wrap_model
from brodmann.runner.activations import Activations
from brodmann.runner.massive import massive
from brodmann.runner.pooling import POOLINGS, pooled
from brodmann.runner.texts import encode_texts
from brodmann.sites import UNIT_SITES
from brodmann.store import masks
from brodmann.store.masks import Origin

POSITIVE = ["the cat sat", "a dog", "no cow is up", "rain fell all day", "she read it", "two men"]
NEGATIVE = ["blick dax", "wug fep toma", "zib", "tove mim rath", "ko", "gimble wabe o"]


@pytest.fixture(scope="module")
def exact_models():
    """Family -> its tiny model in float64."""
    built = {}

    def get(family):
        if family not in built:
            hf = tiny_model(family).double()
            built[family] = wrap_model(hf, tiny_tokenizer(), name=family)
        return built[family]

    return get


def naive_pooled(model, texts, site, pooling):
    """|pooled| [texts, layers, units]."""
    found = []
    for text in texts:
        values = naive_activations(model, model.tokenizer(text)["input_ids"], site)
        reduced = {
            "last-token": values[:, -1],
            "mean": values.mean(1),
            "sum": values.sum(1),
        }[pooling]
        found.append(reduced.abs().numpy())
    return np.stack(found)


def close(found, expected, tolerance=1e-8):
    assert np.abs(found - expected).max() <= tolerance * max(1, np.abs(expected).max())


def check(model, site, pooling, **options):
    activations = Activations(model, site=site, **options)
    found = measure(activations, rows_of(model, POSITIVE), rows_of(model, NEGATIVE), pooling)
    positive, negative = (
        naive_pooled(model, texts, site, pooling) for texts in (POSITIVE, NEGATIVE)
    )
    expected = ttest_ind(positive, negative, axis=0, equal_var=False)
    assert np.isfinite(expected.statistic).all() and np.abs(expected.statistic).max() > 1
    dtype = computes_in(model)
    assert_same(found.t, expected.statistic, dtype)
    assert_same(found.p, expected.pvalue, dtype)
    assert_same(found.p_fdr.reshape(-1), false_discovery_control(expected.pvalue, axis=None), dtype)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_t_and_p_equal_scipys(exact_models, family):
    check(exact_models(family), "block_output", "last-token")


@pytest.mark.parametrize("family", SOME)
@pytest.mark.parametrize("site", UNIT_SITES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_sites_and_poolings(exact_models, family, site, pooling):
    check(exact_models(family), site, pooling)


@pytest.mark.parametrize("family", ["llama", "chatglm"])
def test_does_not_depend_on_the_batch(exact_models, family):
    model = exact_models(family)
    found = [check(model, "block_output", "mean", batch_tokens=n) for n in (1, 25, 4096)]
    for other in found[1:]:
        assert_same(other.t, found[0].t, computes_in(model))


def test_padding_would_change_the_mean_but_is_never_there(exact_models):
    """Texts of unequal length in one call: the same as each alone."""
    model = exact_models("llama")
    activations = Activations(model)
    rows = rows_of(model, POSITIVE)
    together = np.zeros((len(rows), model.n_layers, model.hidden_size))
    for numbers, values in activations.pooled(rows, "sum"):
        together[numbers] = values
    for number, row in enumerate(rows):
        [(_, alone)] = activations.pooled([row], "sum")
        assert_same(together[number], alone[0], computes_in(model))


def test_pooling():
    """Two texts that share their first node."""
    values = np.array([[1.0, -3.0], [2.0, 1.0], [6.0, -1.0], [5.0, 7.0]])

    def pool(pooling):
        read = pooled("block_output", [0], [[0, 1, 2], [0, 3]], pooling)
        found = np.zeros((read.n_rows, 2))
        for n, (row, node) in enumerate(zip(read.rows, read.nodes, strict=True)):
            found[row] += values[node] * (1 if read.weights is None else read.weights[n])
        return found

    assert pool("last-token").tolist() == [[6, -1], [5, 7]]
    assert pool("mean").round(12).tolist() == [[3, -1], [3, 2]]
    assert pool("sum").tolist() == [[9, -3], [6, 4]]
    with pytest.raises(ValueError, match="orig"):
        pool("orig")


def test_truncation_counts_special_tokens(models):
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_tokenizer()
    assert [len(row) for row in encode_texts(tokenizer, ["abcdef", "ab"], truncate=4)] == [4, 2]
    template = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.backend_tokenizer.post_processor = template
    [row] = encode_texts(tokenizer, ["abcdef"], truncate=4)
    assert row[0] == 1 and len(row) == 4
    with pytest.raises(UserError, match="stimuli: text 2 has no tokens"):
        encode_texts(tiny_tokenizer(), ["a", ""], where="stimuli")


def test_moments_are_those_of_all_values():
    values = np.random.default_rng(0).normal(1e6, 1e-3, size=(500, 3))
    moments = Moments((3,))
    for start, end in ((0, 1), (1, 2), (2, 99), (99, 500)):
        moments.add(values[start:end])
    close(moments.mean, values.mean(0), 1e-14)
    assert np.abs(moments.variance / values.var(0, ddof=1) - 1).max() < 1e-6


def test_constant_units_are_no_units():
    dice = np.random.default_rng(0)
    positive, negative = dice.normal(1, 1, (9, 4)), dice.normal(0, 1, (7, 4))
    positive[:, 1] = negative[:, 1] = 0.1  # constant, and not exact in binary
    positive[:, 2] = 5.0  # constant in one kind only
    sides = [Moments((4,)), Moments((4,))]
    for side, values in zip(sides, (positive, negative), strict=True):
        side.add(values[:4])
        side.add(values[4:])
    found = welch(*sides)
    with warnings.catch_warnings(action="ignore"):
        expected = ttest_ind(positive, negative, axis=0, equal_var=False)
    varying = [0, 2, 3]
    close(found.t[varying], expected.statistic[varying])
    close(found.p[varying], expected.pvalue[varying])
    assert (found.t[1], found.p[1], found.p_fdr[1]) == (0, 1, 1)
    with_shape = Selectivity(*(values[None] for values in (found.t, found.p, found.p_fdr)))
    for span in ("100-100", "0-0", "0-100"):
        assert sorted(select(with_shape, Size(number=3), range=span).units) == varying
        with pytest.raises(UserError, match="4 units are to be selected, but only 3"):
            select(with_shape, Size(number=4), range=span)


def some_selectivity(shape=(6, 50), seed=0):
    t = np.random.default_rng(seed).normal(size=shape)
    return Selectivity(t, np.full(shape, 0.5), np.full(shape, 0.5))


@pytest.mark.parametrize("percentage", [0.5, 1.0, 3.3, 10.0, 100.0])
def test_the_top_is_what_sorting_gives(percentage):
    found = some_selectivity()
    flat = found.t.reshape(-1)
    count = int(percentage / 100 * flat.size)
    expected = [flat.tolist().index(value) for value in sorted(flat, reverse=True)[:count]]
    assert select(found, Size(percentage=percentage)).units.tolist() == expected
    assert select(found, Size(number=count)).units.tolist() == expected
    least = select(found, Size(percentage=percentage), range="0-0").units.tolist()
    assert least == [flat.tolist().index(value) for value in sorted(flat)[:count]]


def test_ties_go_by_layer_then_unit():
    t = np.zeros((3, 4))
    t[2, 1] = t[1, 3] = t[1, 0] = 2.0
    found = Selectivity(t, np.full(t.shape, 0.5), t)
    assert select(found, Size(number=4)).pairs == [(1, 0), (1, 3), (2, 1), (0, 0)]
    assert select(found, Size(number=2), range="0-0").pairs == [(0, 0), (0, 1)]


def test_ranges_draw_within_their_percentiles():
    found = some_selectivity()
    flat = found.t.reshape(-1)
    low, high = np.percentile(flat, [80, 95])
    allowed = {n for n, value in enumerate(flat) if low <= value <= high}
    first, second = (select(found, Size(number=20), range="80-95", seed=s) for s in (1, 2))
    assert set(first.units) <= allowed and set(second.units) <= allowed
    assert set(first.units) != set(second.units)
    again = select(found, Size(number=20), range="80-95", seed=1)
    assert again.units.tolist() == first.units.tolist()
    assert (np.diff(first.t) <= 0).all() and len(set(first.units)) == 20
    everything = select(found, Size(number=len(allowed)), range="80-95")
    assert set(everything.units) == allowed


def test_random_controls_are_of_the_rest():
    found = some_selectivity()
    top = select(found, Size(percentage=10.0))
    drawn = [random_units(found, top, seed) for seed in (42, 43)]
    for control in drawn:
        assert len(set(control.units)) == len(top) == 30
        assert not set(control.units) & set(top.units)
    assert set(drawn[0].units) != set(drawn[1].units)
    assert set(random_units(found, top, 42).units) == set(drawn[0].units)
    with pytest.raises(UserError, match="only 120 are left for a random control"):
        random_units(found, select(found, Size(percentage=60.0)), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("50-50", r"'50-50' is empty \(100-100 takes the most selective"),
        ("90-10", r"'90-10' runs backwards \(write 10-90\)"),
        ("0-101", r"goes beyond 100"),
        ("top", r"'top' is no range \(write two percentiles"),
        ("-5-10", r"is no range"),
    ],
)
def test_ranges_that_make_no_sense(text, message):
    with pytest.raises(UserError, match=rf"localizer\.range: .*{message}"):
        parse_range(text)


def test_too_few_units_in_range():
    with pytest.raises(UserError, match="20 units are to be selected, but only 3 lie in the range"):
        select(some_selectivity(), Size(number=20), range="99-100")


def test_selections_survive_their_file(tmp_path):
    chosen = select(some_selectivity(), Size(number=7))
    origin = Origin.of("tiny", "abc", "block_output")
    write_units(tmp_path / "top.csv", chosen, origin, "top-7units")
    text = (tmp_path / "top.csv").read_text().splitlines()
    assert text[0] == "layer,unit,t,model,weights,site,selection"
    assert float(text[1].split(",")[2]) == chosen.t[0]
    assert masks.read(tmp_path / "top.csv") == masks.Chosen(tuple(chosen.pairs), origin)


def test_bad_input_is_named(models):
    with pytest.raises(UserError, match=r"no site 'block_outputs'.*did you mean 'block_output'"):
        Activations(models("llama"), site="block_outputs")
    with pytest.raises(UserError, match="1 negative texts"):
        measure(Activations(models("llama")), [(5,), (6,)], [(5,)], "mean")
    hf = tiny_model("llama")
    [bad] = tiny_tokenizer()("x")["input_ids"]
    hf.model.embed_tokens.weight.data[bad] = float("nan")
    broken = wrap_model(hf, tiny_tokenizer(), name="broken")
    rows = rows_of(broken, ["abc", "axc", "abd"])
    with pytest.raises(UserError, match="broken, positive text 2: an activation is not finite"):
        measure(Activations(broken), rows, rows, "mean")


def test_means_weigh_texts_alike(exact_models):
    model = exact_models("gpt2")
    rows = rows_of(model, POSITIVE)
    expected = np.mean(
        [naive_activations(model, row, "mlp_output").mean(1).numpy() for row in rows], axis=0
    )
    assert_same(Activations(model, site="mlp_output").means(rows), expected, computes_in(model))


def test_running_out_of_memory_halves_the_batch(exact_models, monkeypatch):
    model = exact_models("llama")
    rows = rows_of(model, POSITIVE * 2)
    activations = Activations(model)
    expected = activations.means(rows)
    run = activations.engine.run

    def scarce(query):
        if len(query.tree) > max(map(len, rows)):
            raise torch.OutOfMemoryError("out of memory")
        return run(query)

    monkeypatch.setattr(activations.engine, "run", scarce)
    assert_same(activations.means(rows), expected, computes_in(model))


# Massive activations


def test_massive_activations_are_those_of_the_first_token(exact_models):
    """What the pass keeps, against plain transformers: dimension 3 of layer 1 is made to carry far more."""
    model = exact_models("llama")
    rows = encode_texts(model.tokenizer, POSITIVE)
    parts = [own for _, own in Activations(model).pooled([ids[:1] for ids in rows], "last-token")]
    found = np.concatenate(parts)
    naive = np.stack(
        [naive_activations(model, list(ids[:1]), "block_output")[:, 0].numpy() for ids in rows]
    )
    assert np.abs(np.sort(found, 0) - np.sort(naive, 0)).max() < 1e-8
    assert massive(found) == []
    found[:, 1, 3] = np.where(np.arange(len(found)) % 2, 1, -1) * 1e4  # whatever its sign
    [one] = massive(found)
    assert (one["layer"], one["unit"]) == (1, 3) and one["activation"] == 1e4
    # The median unit of the layer, unit by unit over texts.
    typical = [float(np.median(np.abs(found[:, 1, unit]))) for unit in range(found.shape[2])]
    assert one["layer_median"] == pytest.approx(float(np.median(typical)))
    # In most texts, not in some.
    found[: len(found) // 2 + 1, 1, 3] = 0
    assert massive(found) == []
