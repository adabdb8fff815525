"""IoU by matrix products against the plain loop; consistency, sizes and layers of networks."""

from dataclasses import replace

import numpy as np
import pytest

from brodmann.networks.consistency import (
    DatasetNetworks,
    SampleNetworks,
    consistency_table,
    layers_table,
    sizes_table,
    template_iou_table,
)
from brodmann.networks.iou import from_units, iou, sparse
from brodmann.networks.maps import Networks


def naive(a, b):
    found = np.zeros((len(a), len(b)))
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            first, second = set(np.flatnonzero(one)), set(np.flatnonzero(other))
            found[i, j] = len(first & second) / len(first | second) if first | second else 0.0
    return found


def draw(n, units=200, share=0.1, seed=0):
    dice = np.random.default_rng(seed)
    maps = dice.random((n, units)) < share * dice.random((n, 1))
    maps[0] = False  # an empty one
    return maps


def networks(members, stability=0.5):
    """Networks with exactly these members [k, layers, units]."""
    k = len(members)
    return Networks(10.0 * members, np.linspace(0.5, 0.1, k), np.full(k, stability))


def test_products_agree_with_the_loop():
    a, b = draw(30), draw(20, seed=1)
    b[1] = a[1]
    assert np.array_equal(iou(a, b), naive(a, b))
    assert iou(a, b)[0, 0] == 0.0 and iou(a, b)[1, 1] == 1.0
    assert np.array_equal(iou(a, b), iou(b, a).T)
    assert np.array_equal(iou(a.reshape(30, 4, 50), sparse(b)), iou(a, b))


def test_maps_by_their_members():
    maps = draw(9)
    units = np.concatenate([np.flatnonzero(row) for row in maps])
    starts = np.concatenate([[0], np.cumsum(maps.sum(1))])
    assert np.array_equal(from_units(units, starts, 200).toarray() > 0, maps)


def test_thousands_of_sparse_maps_are_held_against_templates():
    """6,400 networks of single texts and 40 templates over 100,000 units, 1 % of the units in each."""
    dice = np.random.default_rng(0)
    units, size = 100_352, 1000
    members = [np.sort(dice.choice(units, size, replace=False)) for _ in range(200)]
    chosen = dice.integers(0, 200, 6400)
    starts = np.arange(0, 6401 * size, size)
    many = from_units(np.concatenate([members[n] for n in chosen]), starts, units)
    few = from_units(np.concatenate(members[:40]), np.arange(0, 41 * size, size), units)
    found = iou(many, few)
    assert found.shape == (6400, 40)
    assert (found[np.arange(6400)[chosen < 40], chosen[chosen < 40]] == 1).all()


def test_sample_networks_travel_as_bytes():
    members = draw(6, 60).reshape(6, 3, 20)
    kept = SampleNetworks.of(networks(members), tokens=17)
    again = SampleNetworks.unpack(kept.pack())
    assert again.facts == {"tokens": 17} and again.shape == (3, 20) and len(again) == 6
    assert np.array_equal(
        from_units(again.units, again.starts, 60).toarray() > 0, members.reshape(6, -1)
    )
    assert again.sizes.tolist() == members.sum((1, 2)).tolist()


def test_networks_that_depend_on_the_start_are_left_out():
    members = draw(4, 60).reshape(4, 3, 20)
    members[2] = False  # one without units is one, too
    found = replace(networks(members), stability=np.array([0.95, 0.3, 0.9, 0.89]))
    kept = SampleNetworks.of(found).only_identified()
    assert len(kept) == 2 and kept.stability.tolist() == [0.95, 0.9]
    assert kept.explained.tolist() == found.explained[[0, 2]].tolist()
    expected = members[[0, 2]].reshape(2, -1)
    assert np.array_equal(from_units(kept.units, kept.starts, 60).toarray() > 0, expected)
    # One start says nothing on what others would find.
    alone = replace(found, stability=np.full(4, np.nan))
    nothing = SampleNetworks.of(alone).only_identified()
    assert len(nothing) == 0 and nothing.starts.tolist() == [0] and nothing.shape == (3, 20)
    assert SampleNetworks.unpack(nothing.pack()).sizes.tolist() == []


@pytest.fixture
def datasets():
    made = []
    for seed, name in enumerate(["news", "code"]):
        templates = networks(draw(3, 60, 0.5, seed).reshape(3, 3, 20))
        samples = []
        for n in range(4):
            # A text has some of the templates' units, and networks of its own.
            members = draw(5, 60, 0.5, 10 * seed + n + 5).reshape(5, 3, 20)
            members[1] = templates.members[n % 3]
            samples.append(SampleNetworks.of(networks(members)))
        made.append(DatasetNetworks(name, templates, samples))
    return made


def test_consistency_counts(datasets):
    table = consistency_table(datasets, 0.2)
    assert table[["dataset", "template"]].to_numpy().tolist() == [
        [name, n] for name in ("news", "code") for n in range(3)
    ]
    for dataset in datasets:
        own = table[table.dataset == dataset.name]
        assert (own.denominator == 20).all() and (own.samples == 4).all()
        for template, row in zip(dataset.templates.members, own.itertuples(), strict=True):
            found = [
                naive(from_units(s.units, s.starts, 60).toarray(), template.reshape(1, -1))[:, 0]
                for s in dataset.samples
            ]
            assert row.count == sum(int((values > 0.2).sum()) for values in found)
            assert row.mean_best_iou == pytest.approx(np.mean([values.max() for values in found]))
            assert row.n_units == template.sum()


def test_a_dataset_without_single_texts(datasets):
    bare = DatasetNetworks("news", datasets[0].templates, [])
    table = consistency_table([bare], 0.2)
    assert (table["count"] == 0).all() and (table.denominator == 0).all()
    assert table.mean_best_iou.isna().all()
    assert (layers_table([bare]).query("level == 'individual'").n_units == 0).all()


def test_templates_against_each_other(datasets):
    table = template_iou_table(datasets, 0.2)
    assert len(table) == 15
    by_name = {dataset.name: dataset.templates.members.reshape(3, -1) for dataset in datasets}
    for row in table.itertuples():
        pair = by_name[row.dataset_a][[row.template_a]], by_name[row.dataset_b][[row.template_b]]
        assert row.iou == pytest.approx(naive(*pair)[0, 0])
        assert row.above == int(row.iou > 0.2)
    assert {(row.dataset_a, row.dataset_b) for row in table.itertuples()} == {
        ("news", "news"),
        ("news", "code"),
        ("code", "code"),
    }


def test_sizes_and_layers(datasets):
    sizes, layers = sizes_table(datasets, 60), layers_table(datasets)
    assert len(sizes) == 2 * (3 + 4 * 5)
    members = datasets[1].templates.members
    own = sizes.query("dataset == 'code' and level == 'group'")
    assert own.n_units.tolist() == members.sum((1, 2)).tolist()
    assert np.allclose(own.percent, 100 * members.sum((1, 2)) / 60)
    found = layers.query("dataset == 'code' and level == 'group' and template == 2")
    assert found.n_units.tolist() == members[2].sum(1).tolist()
    assert found.percent.sum() == pytest.approx(100)
    whole = layers.query("dataset == 'code' and level == 'individual'")
    assert (
        whole.n_units.sum()
        == sizes.query("dataset == 'code' and level == 'individual'").n_units.sum()
    )
