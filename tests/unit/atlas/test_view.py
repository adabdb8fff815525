"""The atlas from Python: the page's colours, and masks that are taken elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import toy_results as toy

import brodmann.atlas
from brodmann.atlas import colours
from brodmann.atlas.contract import Circuit
from brodmann.errors import UserError
from brodmann.store import masks


@pytest.fixture
def atlas(tmp_path):
    return brodmann.atlas.open(toy.study(tmp_path))


# Of interpolateRdBu(1 - (0.06 + 0.88 * (i + 0.5) / 256)), as d3-scale-chromatic 3.1 has it.
D3 = {
    0: (23, 81, 141),
    13: (36, 104, 166),
    64: (130, 186, 216),
    100: (208, 228, 239),
    127: (241, 239, 238),
    128: (242, 239, 237),
    150: (250, 223, 208),
    200: (229, 131, 105),
    255: (148, 17, 39),
}


def test_signed_values_have_the_page_s_colours():
    table = colours.signed_table()
    assert {place: tuple(table[place].tolist()) for place in D3} == D3
    found = colours.signed(np.array([-9.0, -2.0, 0.0, 2.0, 9.0]), 2.0)
    assert found[[0, 1]].tolist() == [list(D3[0])] * 2 and found[2].tolist() == list(D3[128])
    assert found[[3, 4]].tolist() == [list(D3[255])] * 2


def test_colours_end_where_one_cell_in_a_thousand_is_beyond():
    values = np.arange(-1000.0, 1000.0)
    assert colours.end_of(values) == 1000.0  # 999 in two digits
    assert colours.end_of(np.zeros(5)) == 1.0
    assert colours.end_of(np.array([np.nan, 0, 0, -0.0123])) == 0.012


def test_units_of_several_domains_are_shared():
    circuit = {
        "language/a": Circuit(np.array([0, 1]), np.zeros(2)),
        "language/b": Circuit(np.array([1, 2]), np.zeros(2)),
        "formal/c": Circuit(np.array([2, 5]), np.zeros(2)),
    }
    found = colours.owners(circuit, {"language/a": 0, "language/b": 0, "formal/c": 1}, 2, 3)
    assert found.tolist() == [[0, 0, colours.SEVERAL], [colours.NONE, colours.NONE, 1]]


def test_a_selection_is_the_circuit_and_its_mask_is_taken(atlas, tmp_path):
    own = atlas.selection(task="language/npi")
    best = np.argsort(-toy.scores()[0].reshape(-1))[:3]
    assert own.flat.tolist() == best.tolist() and len(own) == 3
    path = tmp_path / "mine.csv"
    atlas.mask(own, path)
    found = masks.read(path)
    assert list(found.units) == own.pairs == [divmod(unit, toy.WIDTH) for unit in best.tolist()]
    assert found.origin == masks.Origin.of(toy.MODEL, toy.HASH, "mlp_hidden")
    # Read again as the study's own mask, the scores are the same to the bit.
    kept = tmp_path / toy.MODEL / f"masks/neurons/{toy.MAIN.name}/language/npi.csv"
    columns = [
        [line.split(",")[:6] for line in file.read_text().splitlines()] for file in (path, kept)
    ]
    assert columns[0] == columns[1]


def test_sets_of_units_are_joined(atlas):
    one, other = (atlas.selection(task=task, sel=toy.LARGE.name) for task in toy.TASKS[:2])
    both = set(one.pairs) & set(other.pairs)
    assert set((one & other).pairs) == both and set((one - other).pairs) == set(one.pairs) - both
    joined = one | other
    assert set(joined.pairs) == set(one.pairs) | set(other.pairs)
    assert joined.pairs[: len(one)] == one.pairs and len(set(joined.pairs)) == len(joined)
    domain = atlas.selection(domain="language", sel=toy.LARGE.name)
    assert set(domain.pairs) == set(joined.pairs)
    with pytest.raises(UserError, match="different models or sites"):
        _ = one & atlas.selection(localizer="language")
    with pytest.raises(UserError, match="different models or sites"):
        _ = one | atlas.selection(task=toy.TASKS[0], model=toy.CONTROL)


def test_localized_units_and_networks_are_masks_too(atlas, tmp_path):
    found = atlas.selection(localizer="language")
    assert found.pairs == [(2, 3), (2, 2)] and found.scores.tolist() == [8.0, 7.0]
    network = atlas.selection(network="sea/0")
    # The strongest first, whatever its sign.
    assert network.pairs == [(2, 3), (0, 1)] and network.scores.tolist() == [-9.0, 4.0]
    atlas.mask(network, tmp_path / "network.csv")
    assert masks.read(tmp_path / "network.csv").origin.site == "block_output"


def test_units_of_one_s_own_are_a_mask(atlas, tmp_path):
    atlas.mask([(2, 9), (0, 0)], tmp_path / "own.csv")
    assert masks.read(tmp_path / "own.csv").units == ((2, 9), (0, 0))
    for units, says in (
        ([(3, 0)], "no unit 0 in layer 3 (it has 3 layers of 10 units)"),
        ([(0, -1)], "no unit -1"),
        ([], "no units to write"),
    ):
        with pytest.raises(UserError) as caught:
            atlas.mask(units, tmp_path / "none.csv")
        assert says in str(caught.value.problems[0])
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "give one of task, domain, localizer, network"),
        ({"task": "language/npi", "domain": "formal"}, "give one of"),
        ({"task": "language/nip"}, "no task 'language/nip' (did you mean 'language/npi'?)"),
        ({"domain": "langage"}, "did you mean 'language'?"),
        ({"task": "language/npi", "model": "two"}, "there is no model 'two'"),
        ({"task": "language/npi", "sel": "positive-1.0pct"}, "there is no selection"),
        ({"localizer": "tom"}, "there is no localizer 'tom'"),
        ({"network": "sea/7"}, "they are sea/0 to sea/1"),
        ({"network": "0"}, "there is no dataset of networks"),
        ({"task": toy.TASKS[1], "model": toy.CONTROL}, "there is no task"),
    ],
)
def test_what_is_not_there_is_one_clear_line(atlas, asked, says):
    with pytest.raises(UserError) as caught:
        atlas.selection(**asked)
    assert says in str(caught.value.problems[0])


def test_the_cortex_has_a_pixel_a_unit_in_the_page_s_colours(atlas):
    values = toy.scores()[0]
    figure = atlas.cortex(task="language/npi")
    pixels = figure.axes[0].images[0].get_array()
    assert pixels.shape == (toy.LAYERS, toy.WIDTH, 3)
    assert figure.axes[0].images[0].origin == "lower"
    assert (pixels == colours.signed(values, colours.end_of(values))).all()
    strongest = np.unravel_index(values.argmax(), values.shape)
    red, _, blue = pixels[strongest].tolist()
    assert red > 140 and blue < 60
    ordered = atlas.cortex(task="language/npi", order="domain").axes[0]
    places = atlas._of(None, None).order.domain
    found = np.asarray(ordered.images[0].get_array())
    assert (found == np.take_along_axis(np.asarray(pixels), places[..., None].astype(int), 1)).all()
    assert "negative polarity" in figure.axes[0].get_title(loc="left")


def test_domains_stand_in_their_colours_and_controls_are_called_so(atlas):
    figure = atlas.cortex()
    pixels = np.asarray(figure.axes[0].images[0].get_array())
    only = atlas.selection(task="formal/sums") - atlas.selection(domain="language")
    assert len(only)
    for pair in only.pairs:
        assert pixels[pair].tolist() == colours.rgb("#2471A3").tolist()
    other = np.asarray(atlas.cortex(domain="language").axes[0].images[0].get_array())
    assert all((other[pair] > pixels[pair]).any() for pair in only.pairs)
    title = atlas.cortex(model=toy.CONTROL).axes[0].get_title(loc="left")
    assert title.startswith(f"{toy.CONTROL} (control)")
    assert atlas.cortex(localizer="language").axes[0].images[0].get_array().shape == (3, 4, 3)
    assert atlas.cortex(network="sea/1").axes[0].images[0].get_array().shape == (3, 4, 3)


def test_a_study_of_matrices_has_no_units(tmp_path):
    toy.provenance(tmp_path, models={"there": {"source": "results:folder"}})
    with pytest.raises(UserError, match="matrices only"):
        brodmann.atlas.open(tmp_path).cortex()
