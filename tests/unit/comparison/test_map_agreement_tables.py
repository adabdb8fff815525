"""Tables of what two maps of a model share, and the files of units' pages, of small records made up here."""

import json

import numpy as np
import pandas as pd
import pytest
from cards import card
from safetensors.numpy import save
from scipy.stats import hypergeom

from brodmann.comparison.stages.maps import (
    COLUMNS,
    SHARE_COLUMNS,
    Agreement,
    write_agreement,
    written_name,
)
from brodmann.comparison.stages.network_use import use_stage
from brodmann.comparison.stages.unit_files import write_unit_pages
from brodmann.comparison.unit_pages import read_pages, read_silenced
from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.files import write_json
from brodmann.networks.maps import Networks
from brodmann.runner.unit_tokens import TOKENS
from brodmann.sites import COMPONENTS
from brodmann.store.masks import write
from brodmann.store.store import Store
from brodmann.store.tensors import write_tensors

LAYERS, HIDDEN, NEURONS, HEADS = 3, 8, 12, 2
TASKS = ("language/npi", "language/hypernymy", "formal/code_list")
CIRCUITS = {
    TASKS[0]: [(0, 1), (0, 2)],
    TASKS[1]: [(0, 2), (2, 5)],
    TASKS[2]: [(1, 0)],
}
# Members of the networks of news, dimensions of an MLP's output.
MEMBERS = ([(0, 1), (0, 2), (2, 3)], [])


def kept(folder, stage, payloads, **listed):
    """A pass's records and the manifest that lists them."""
    keys = {name: f"{number:064x}" for number, name in enumerate(payloads)}
    with Store(folder / stage) as store:
        store.put_many({keys[name]: payload for name, payload in payloads.items()})
    write_json(folder / f"{stage}.json", {"model": "tiny", "keys": keys, **listed})
    return str(folder / f"{stage}.json")


class Made:
    """A study of one model with circuits of neurons, a localizer and the networks of one dataset."""

    def __init__(self, folder, root, text="", members=MEMBERS, **about):
        config = folder / "config.yaml"
        config.write_text(
            "models: {tiny: {source: 'hf:org/name'}}\n"
            f"tasks: {{include: [{', '.join(TASKS)}]}}\n"
            + (
                text
                or "localizer: {num_units: 4}\nnetworks: {datasets: {news: 'corpus:news'}, seed: 3}\n"
            ),
            encoding="utf-8",
        )
        self.study = load_config([config], root=root).study
        self.folder = folder
        shape = {"n_layers": LAYERS, "hidden_size": HIDDEN, "neurons_per_layer": NEURONS}
        self.card = card(**{**shape, "heads_per_layer": HEADS, "head_dim": 4, **about})
        self.card.write(folder / "model.json", {})
        self.model_json = str(folder / "model.json")
        width = HIDDEN if self.study.networks.site == "mlp_output" else NEURONS
        maps = np.zeros((len(members), LAYERS, width))
        for number, units in enumerate(members):
            for layer, unit in units:
                maps[number, layer, unit] = 5.0
        self.templates = {name: str(folder / f"{name}.st") for name in self.study.networks.datasets}
        for path in self.templates.values():
            none = np.zeros(len(members))
            Networks(maps, none, none, filters=maps).save(path)
        origin = self.card.origin(COMPONENTS["neurons"])
        self.masks = {task: str(folder / f"masks/{task}.csv") for task in TASKS}
        for task, path in self.masks.items():
            rows = [(*unit, "1") for unit in CIRCUITS[task]]
            write(path, "score", rows, origin, "positive-1.0pct")

    @property
    def stage(self):
        return use_stage(self.study, self.model_json, self.templates)

    def localizer(self, t):
        """A record of a localizer's selectivity."""
        p = np.full(t.shape, 0.01)
        own = save({"t": t, "p": p, "p_fdr": p}, metadata={"facts": json.dumps({})})
        return kept(self.folder, "localizer", {"language": own})

    def written(self, share):
        names = [written_name(own) for own in Agreement(self.stage).networks()]
        return kept(self.folder, "network_use", {name: save({"share": share}) for name in names})

    def agreement(self, manifest, localizer=None, masks=None):
        outputs = [str(self.folder / name) for name in ("agreement.csv", "shares.csv")]
        write_agreement(
            self.stage,
            manifest=manifest,
            localizer_manifest=localizer,
            mask_files=self.masks if masks is None else masks,
            output=outputs[0],
            shares_output=outputs[1],
        )
        return [pd.read_csv(path) for path in outputs]


@pytest.fixture
def made(tmp_path, root):
    return lambda *more, **about: Made(tmp_path, root, *more, **about)


def selective():
    """t of which the highest four are units 1 and 2 of the first layer, 3 and 4 of the last."""
    t = np.zeros((LAYERS, HIDDEN))
    t[0, [1, 2]], t[2, [3, 4]] = (9, 8), (7, 6)
    return t - 1


def test_maps_are_set_side_by_side_in_the_spaces_that_they_share(made):
    study = made()
    share = np.full((LAYERS, NEURONS), 0.1)
    share[0, [1, 2]] = 0.9
    table, shares = study.agreement(study.written(share), study.localizer(selective()))
    assert tuple(table.columns) == COLUMNS and tuple(shares.columns) == SHARE_COLUMNS
    assert set(table["seed"]) == {3}
    found = table.set_index(["space", "map", "other_map"])
    # Neurons and dimensions of the residual stream are no units of one kind.
    maps = ["language", "formal"]
    networks = ["news all", "news network-0", "news network-1"]
    pairs = {("language", "language"), ("formal", "language")}
    pairs |= {(one, other) for one in maps for other in networks}
    pairs |= {("language", other) for other in networks}
    assert {at[1:] for at in found.index if at[0] == "layers"} == pairs
    assert {at[1:] for at in found.index if at[0] == "units"} == {
        ("language", own) for own in networks
    }
    assert {at[1:] for at in found.index if at[0] == "written"} == {
        (one, own) for one in maps for own in networks
    }
    units = found.loc["units", "language", "news network-0"]
    assert (units["n"], units["n_other"], units["method"]) == (4, 3, "localizer")
    # Three of four units in common. By chance two of eight meet two, and two of eight meet one.
    assert units["observed"] == pytest.approx(3 / 4)
    expected, at_least = 0.0, 0.0
    for first in range(3):
        for last in range(2):
            chance = hypergeom(HIDDEN, 2, 2).pmf(first) * hypergeom(HIDDEN, 2, 1).pmf(last)
            expected += chance * (first + last) / (7 - first - last)
            at_least += chance * (first + last == 3)
    assert units["chance"] == pytest.approx(expected, abs=0.02)
    assert units["p"] == pytest.approx(at_least, abs=0.02) and units["q"] >= units["p"]
    assert units["ratio"] == pytest.approx(units["observed"] / units["chance"])
    empty = found.loc["units", "language", "news network-1"]
    assert empty["note"] == "one of the two is empty" and np.isnan(empty["observed"])
    # The circuits of language are (0, 1), (0, 2) and (2, 5): in the layers of the network.
    assert found.loc["layers", "language", "news network-0"]["observed"].tolist() == [
        pytest.approx(1.0),
        pytest.approx(0.5 + 1 / 3),
    ]
    written = found.loc["written", "language", "news network-0"]
    assert written["observed"] == pytest.approx((0.9 + 0.9 + 0.1) / 3)
    assert found.loc["written", "formal", "news all"]["observed"] == pytest.approx(0.1)
    assert found.loc["written", "formal", "news network-1"]["note"] == "one of the two is empty"
    own = shares[(shares["method"] == "network") & (shares["map"] == "news network-0")]
    assert own["share"].tolist() == pytest.approx([2 / 3, 0, 1 / 3]) and set(own["n_units"]) == {3}
    none = shares[(shares["method"] == "network") & (shares["map"] == "news network-1")]
    assert none["share"].tolist() == [0, 0, 0]
    assert len(shares) == LAYERS * (2 + 1 + 3)


def test_a_method_without_maps_is_named(made):
    study = made()
    table, shares = study.agreement(study.written(np.ones((LAYERS, NEURONS))), masks={})
    assert table[["method", "note"]].fillna("").to_numpy().tolist() == [
        ["circuit", "left out: no circuits of neurons are configured"],
        ["localizer", "left out: no localizer is configured"],
    ]
    assert set(shares["method"]) == {"network"}
    alone = made("localizer: {num_units: 4}\n")
    table, shares = alone.agreement("", alone.localizer(selective()))
    notes = table["note"].dropna().tolist()
    assert notes == ["left out: no dataset has networks"]
    assert set(table["space"].dropna()) == {"layers"} and set(shares["method"]) == {
        "circuit",
        "localizer",
    }


def test_networks_of_neurons_share_units_with_circuits_and_are_written_on_by_none(made):
    text = "networks: {datasets: {news: 'corpus:news'}, site: mlp_hidden}\n"
    study = made(text, ([(0, 1), (0, 2)],))
    assert Agreement(study.stage).works() == []
    table, _ = study.agreement("")
    assert set(table["space"].dropna()) == {"units", "layers"}
    found = table[table["space"] == "units"].set_index(["map", "other_map"])
    assert found.loc[("language", "news network-0"), "observed"] == pytest.approx(2 / 3)
    assert found.loc[("formal", "news network-0"), "observed"] == 0


def test_what_neurons_write_is_asked_of_networks_of_the_residual_stream(made):
    study = made()
    works = Agreement(study.stage).works()
    names = [f"what neurons write on news {name}" for name in ("all", "network-0", "network-1")]
    assert [work.what for work in works] == names
    # All units are those of the only network that has some: the same record.
    keys = [key for work in works for key in work.keys.values()]
    assert keys[0] == keys[1] != keys[2]
    assert Agreement(made(neurons_per_layer=0).stage).works() == []


# Pages of units


def tokens(**units):
    """A record of tokens: of each unit of a site the first word is raised, the second lowered."""
    tensors = {}
    for site, own in units.items():
        tensors[f"{site}.units"] = np.array(own, np.int32)
        tensors[f"{site}.share"] = np.full(len(own), 0.5)
        if site == "heads":  # has no write vector of its own here
            continue
        for kind, word, by in (("raised", 0, 2.0), ("lowered", 1, -1.0)):
            tensors[f"{site}.{kind}"] = np.full((len(own), 1), word, np.int32)
            tensors[f"{site}.{kind}_by"] = np.full((len(own), 1), by, np.float32)
    return save(tensors, metadata={"facts": json.dumps({"vocabulary": {"0": " a", "1": " b"}})})


def pages(study, manifest, **more):
    given = {
        "model_json": study.model_json,
        "template_files": study.templates,
        "tokens_manifest": manifest,
        "attribution_folder": str(study.folder / "attribution"),
        "attribution_manifest": "",
        "output": str(study.folder / "pages.json"),
        "silenced": str(study.folder / "silenced.csv"),
    }
    write_unit_pages(study.study, **{**given, **more})
    return read_pages(given["output"]), read_silenced(given["silenced"])


def test_pages_that_are_not_there_say_why(made):
    found, silenced = pages(made("atlas: {units: 0}\n"), None)
    assert found.notes == ("No unit has a page: atlas.units is 0.",) and not found.units
    assert silenced == []
    found, _ = pages(made("atlas: {units: 3}\n"), None)
    what = "Units have no pages: they are made where circuits are ablated or networks are sought."
    assert found.notes == (what,)


def test_units_without_networks_have_tokens_and_no_places(made):
    study = made("atlas: {units: 3, tokens: 1}\n")
    record = tokens(mlp_hidden=[(0, 3), (2, 1)], heads=[(1, 1)])
    found, _ = pages(study, kept(study.folder, "ablation", {TOKENS: record}))
    shown = [(one.site, one.layer, one.unit, one.promotes, one.share) for one in found.units]
    assert sorted(shown) == [
        ("heads", 1, 1, (), 1.0),
        ("mlp_hidden", 0, 3, ((" a", 2.0),), 0.5),
        ("mlp_hidden", 2, 1, ((" a", 2.0),), 0.5),
    ]
    assert found.networks == ()
    first, second = found.notes
    assert first == "No places in texts are listed: networks.datasets names no texts."
    assert second.startswith("1 units have no tokens, as they have no single write vector or the")


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        ("tokens: 0, places: 2", "No tokens are listed: atlas.tokens is 0."),
        ("tokens: 1, places: 0", "No places in texts are listed: atlas.places is 0."),
    ],
)
def test_networks_have_what_is_asked_for(made, asked, note):
    """Of texts, only what the pass has read; the second network has no unit to be driven."""
    text = f"networks: {{datasets: {{news: 'corpus:news'}}}}\natlas: {{units: 3, {asked}}}\n"
    study = made(text)
    record = tokens(**{"networks of news": [(0, 0), (0, 1)]})
    found, _ = pages(study, kept(study.folder, "network_use", {TOKENS: record}))
    assert found.units == () and found.notes == (note,)
    assert [one.n_units for one in found.networks] == [3, 0]
    promoted = ((" a", 2.0),) if "tokens: 1" in asked else ()
    assert all(one.promotes == promoted for one in found.networks)
    assert all(one.driven.highest == () for one in found.networks)


def test_a_list_of_records_without_tokens_is_made_anew(made):
    study = made("atlas: {units: 3, tokens: 1}\n")
    manifest = kept(study.folder, "ablation", {})
    with pytest.raises(UserError) as found:
        pages(study, manifest)
    fix = "run the same command again: what is stored is found, only the list is made anew"
    said = "does not list the tokens that units promote"
    assert str(found.value) == f"{manifest}: {said} ({fix})"


def test_effects_of_exact_circuits_are_those_of_units_that_were_patched(made):
    study = made("attribution: {estimator: exact}\natlas: {units: 0}\n")
    values = np.zeros((LAYERS, NEURONS), np.float32)
    values[0, 4], values[2, 1] = 0.5, -0.25
    for task in TASKS:
        path = study.folder / "attribution/neurons" / f"{task}.safetensors"
        own = values if task == TASKS[1] else np.zeros((0, 0), np.float32)
        write_tensors(path, {"attribution": own}, {})
    _, found = pages(study, None)
    assert [(one.task, one.layer, one.unit, one.effect, one.source) for one in found] == [
        (TASKS[1], 0, 4, 0.5, "attribution"),
        (TASKS[1], 2, 1, -0.25, "attribution"),
    ]


def test_effects_that_estimators_were_held_against_are_told_by_their_positions(made):
    grid = "[patching at last, patching at all, relp at last]"
    study = made(
        f"attribution: {{agreement: {{tasks: ['language/*'], estimators: {grid}}}}}\n"
        "atlas: {units: 0}\n"
    )
    names = study.study.attribution.agreement.tried_tasks
    assert sorted(names) == sorted(TASKS[:2])
    for task in names:
        own = np.zeros((LAYERS, NEURONS) if task == TASKS[0] else (0, 0), np.float32)
        path = study.folder / "attribution/neurons" / f"{task}.safetensors"
        write_tensors(path, {"attribution": own}, {})
    records = {}
    for number, at in enumerate(("last", "all")):
        own = {"unit": np.array([NEURONS + 2, 5]), "exact": np.array([1.5, -0.5]) * (number + 1)}
        records[f"{TASKS[0]}, neurons: true effects at {at}"] = save(own)
    _, found = pages(study, None, attribution_manifest=kept(study.folder, "attribution", records))
    tried = [(one.layer, one.unit, one.effect, one.source) for one in found]
    expected = [(1, 2, 1.5, "estimators, last"), (0, 5, -0.5, "estimators, last")]
    expected += [(1, 2, 3.0, "estimators, all"), (0, 5, -1.0, "estimators, all")]
    assert tried == expected
    assert {one.task for one in found} == {TASKS[0]}
