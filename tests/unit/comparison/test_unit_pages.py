"""Which units have pages, and what the file of pages says."""

import math

import numpy as np
import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.comparison.stages.unit_pages import members
from brodmann.comparison.stages.unit_places import TextPlaces, of_course, place_in
from brodmann.comparison.unit_pages import (
    Driven,
    NetworkPage,
    Pages,
    Place,
    UnitPage,
    read_pages,
    read_silenced,
    write_pages,
)
from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.networks.maps import Networks
from brodmann.runner.unit_tokens import Together, Tokens, _tokens, in_turn

HOSTILE = '</script>\u2028"<b>\x00,\n'


def test_units_come_in_turn():
    lists = [[(0, 1), (0, 2), (3, 3)], [], [(0, 2), (1, 1)]]
    assert in_turn(lists) == [(0, 1), (0, 2), (1, 1), (3, 3)]
    assert in_turn([]) == []


def networks():
    maps = np.zeros((2, 2, 5))
    maps[0, 0, [1, 3]], maps[0, 1, 2] = (-4, 5), 9
    return Networks(maps, np.zeros(2), np.zeros(2))


def test_members_of_a_network_come_by_their_z():
    assert members(networks(), 0) == [((1, 2), 1), ((0, 3), 1), ((0, 1), -1)]
    assert members(networks(), 1) == []


def place(value, **more):
    return Place(**{"dataset": "a", "text": 0, "position": 1, "token": "x", **more}, value=value)


def test_what_drives_a_unit_is_the_side_to_which_it_goes_farther():
    def driven(high, low, mean):
        places = [(place(value, before="", after=""),) for value in (high, low)]
        return Driven(*places, mean=mean, sd=1.0).places[0].value

    assert driven(3, -1, 0) == 3 and driven(3, -5, 0) == 3
    assert driven(3, -6, 0) == -6
    # From the mean, not from 0.
    assert driven(103, 96, 100) == 103 and driven(101, 95, 100) == 95
    assert Driven().places == ()
    assert Driven((place(1.0, before="", after=""),)).places[0].value == 1


def test_pages_are_read_as_they_were_written(tmp_path):
    where = place(-1.5, before=HOSTILE, after="")
    full = Driven((where,), (where, where), 0.25, 2.0, -30.0)
    pages = Pages(
        (
            UnitPage("heads", 1, 2, ((HOSTILE, 1.5),), ((" b", -2.0),), 0.5, full),
            UnitPage("mlp_output", 0, 3, share=float("nan")),
        ),
        (NetworkPage("a", 0, "mlp_output", 7, driven=full),),
        ("nothing else",),
    )
    write_pages(tmp_path / "pages.json", pages)
    found = read_pages(tmp_path / "pages.json")
    assert found.units[0] == pages.units[0] and found.networks == pages.networks
    assert found.notes == pages.notes
    assert found.by_unit["heads", 1, 2].component == "heads"
    other = found.units[1]
    assert (other.component, other.promotes) == ("", ())
    assert math.isnan(other.driven.mean) and math.isnan(other.share)


@pytest.mark.parametrize("content", ['{"version": 0}', "[]", '{"version": 1, "units": [{}]}'])
def test_damaged_pages_are_named(tmp_path, content):
    (tmp_path / "pages.json").write_text(content)
    with pytest.raises(UserError, match=r"pages\.json"):
        read_pages(tmp_path / "pages.json")


def test_effects_of_single_units(tmp_path):
    path = tmp_path / "silenced.csv"
    path.write_text(
        "component,task,layer,unit,effect,source\nheads,language/a,1,2,-0.5,agreement\n"
    )
    [one] = read_silenced(path)
    assert (one.component, one.layer, one.unit, one.effect) == ("heads", 1, 2, -0.5)
    path.write_text("component,task,layer,unit,effect,source\nheads,language/a,1,x,-0.5,a\n")
    with pytest.raises(UserError, match=r"silenced\.csv"):
        read_silenced(path)


def test_a_place_is_a_stretch_of_its_text():
    found = place_in("a b" * 100, "sea", 4, 7, (3, 4), 1.0)
    assert (found.before, found.token, found.after) == ("a b", "a", (" b" + "a b" * 30)[:60])
    assert (found.text, found.position) == (4, 7)


def test_networks_are_driven_where_their_courses_are_highest():
    """Against a loop over all tokens, with and without the first token of each text."""
    texts = ("one two three", "four five")
    spans = [(0, 3), (3, 7), (7, 13), (0, 4), (4, 9)]
    token = {
        "text": [0, 0, 0, 1, 1],
        "position": [0, 1, 2, 0, 1],
        "start": [start for start, _ in spans],
        "end": [end for _, end in spans],
    }
    tensors = {f"token.{name}": np.array(own) for name, own in token.items()}
    read = TextPlaces("sea", texts, tensors)
    course = np.array([9.0, 1.0, -2.0, -11.0, 3.0])
    for first in (0, 1):
        own = course if not first else course[[1, 2, 4]]
        driven = of_course(read, own, first, 2)
        assert [(one.token, one.value) for one in driven.highest] == [(" five", 3), (" two", 1)]
        assert [one.token for one in driven.lowest] == [" three", " two"]
        assert driven.mean == pytest.approx(2 / 3)
        assert driven.sd == pytest.approx(np.std([1, -2, 3]))
        assert driven.first == -11 if not first else math.isnan(driven.first)


class Bench:
    """A model, as a pass has it."""

    def __init__(self, model):
        self.model, self.made_with = model, {}


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_tokens_of_a_network_are_those_of_its_members_mean(family):
    """By effect: the members' projections are summed by hand and go through the model's own end."""
    model = wrap_model(tiny_model(family), tiny_tokenizer(), name=family)
    group = Together("mlp_hidden", [(0, 3), (2, 1), (1, 7)], [1, -1, 1])
    none = Together("mlp_hidden", [], [])
    units = {"mlp_output": [(0, 4), (2, 4)], "mlp_hidden": [(0, 3)]}
    record = _tokens(Bench(model), units, {"networks of a": [group, none]}, 3)
    tokens = Tokens(record)
    total = 0
    for (layer, unit), sign in zip(group.units, group.signs, strict=True):
        path = f"{model.architecture.blocks}.{layer}.{model.architecture.mlp_hidden}"
        module, one = model.hf.get_submodule(path), torch.zeros(1, model.neurons_per_layer)
        with torch.no_grad():
            silent = module(one)
            one[0, unit] = 1
            total = total + sign * (module(one) - silent)
    norm = model.hf.get_submodule(model.architecture.final_norm)
    with torch.no_grad():
        rows = total / total.square().mean().sqrt()
        logits = model.hf.get_output_embeddings()(norm(rows) - norm(0 * rows))[0]
    logits = logits[: len(model.tokenizer)]
    [(promotes, suppresses), (nothing, neither)] = tokens.of("networks of a")
    assert nothing == neither == []
    for listed, sign in ((promotes, 1), (suppresses, -1)):
        best = (sign * logits).topk(3)
        assert [token for token, _ in listed] == [model.tokenizer.decode([n]) for n in best.indices]
        assert [change for _, change in listed] == pytest.approx(
            (sign * best.values).tolist(), rel=1e-3, abs=1e-3
        )
    # A dimension of the residual stream promotes the same in every layer.
    first, other = tokens.of("mlp_output")
    assert first == other and tokens.units("mlp_output") == [(0, 4), (2, 4)]
    assert tokens.share("mlp_hidden").tolist() == [1]
