"""Light jobs on circuits that were tested alone: curves, areas and rivals, of records made up here.

Metrics are mixtures of an item's clean and corrupted metric. So faithfulness is the share of the clean one,
in every resampled list, and areas are trapezoids of these shares.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from cards import card
from clone import task_yaml
from example_items import ITEMS
from golden.study import MODEL, READ, STUDY, copy, copy_kept
from reference import naive_lesion

from brodmann.circuits.stages import faithfulness, rivals
from brodmann.circuits.stages.attribution import ItemList
from brodmann.circuits.stages.faithfulness import FaithfulnessStage
from brodmann.circuits.stages.files import TaskFiles
from brodmann.circuits.stages.forecast import write_forecasts
from brodmann.circuits.stages.rivals import ALONE, CONTROL, WITHOUT, Rivals
from brodmann.config.attribution import AttributionSettings
from brodmann.config.faithfulness import FaithfulnessSettings, RivalSettings
from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.files import write_json
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.runner.engine import Engine
from brodmann.sites import COMPONENTS
from brodmann.store.masks import Origin, write
from brodmann.store.store import Store
from brodmann.store.tensors import write_tensors
from brodmann.tasks.items import read_items, write_items

SUMS, AGREEMENT, OTHER = "formal/sums", "language/agreement", "language/other"
CLEAN, CORRUPTED = np.array([2.0, 3, 4, 5, 6]), np.array([-1.0, -1, -2, -2, -4])
# What is kept of the clean metric by half of the units, by whose order they are.
SHARES = {"own": 0.95, "layer_matched": 0.5, "random": 0.2, AGREEMENT: 0.7, SUMS: 0.3}
SETTINGS = {
    "tasks": ["*"],
    "fractions": [0, 50, 100],
    "same_domain": "all",
    "other_domains": 1,
    "bootstraps": 20,
}


def baseline(task, *, included=True, unnormalised=False):
    """Of five items with the metrics above."""
    items = [
        {
            **{"id": n, "prompt_tokens": 9, "clean_incorrect": -3.0, "corrupted_incorrect": -5.0},
            **{"clean_correct": clean - 3.0, "corrupted_correct": corrupted - 5.0},
        }
        for n, (clean, corrupted) in enumerate(zip(CLEAN, CORRUPTED, strict=True))
    ]
    return {
        **{"task": task, "n_items": 5, "n_aligned": 5, "n_both_correct": 5},
        **dict.fromkeys(("clean_accuracy", "corrupted_accuracy", "both_correct_accuracy"), 1.0),
        **{"clean_baseline": 4.0, "corrupted_baseline": -2.0, "both_correct_ids": [0, 1, 2, 3, 4]},
        **{"included": included, "reason": "made up", "unnormalised": unnormalised},
        **{"used_ids": [0, 1, 2, 3, 4], "misaligned_ids": [], "items": items},
        "single_answer": False,
    }


class Made:
    """A study of three tasks, of which the last is excluded, with attributions and no records."""

    def __init__(self, folder, root, **settings):
        copy(STUDY, folder)
        for name in ("workflow", "stimuli"):
            (folder / name).symlink_to(root / name)
        copy_kept(folder / "results", READ)
        (folder / "data" / f"{OTHER}.yaml").write_text(yaml.safe_dump(task_yaml(OTHER, 5)))
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["attribution"] |= {"components": ["neurons"], "agreement": {"tasks": []}}
        config["faithfulness"] = {**SETTINGS, **settings}
        config["localizer"], config["networks"] = {"networks": []}, {}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        self.study = load_config([folder / "config.yaml"], root=folder).study
        self.own = folder / "results" / MODEL
        items = folder / "results/items"
        write_items(
            items / f"{OTHER}.json", replace(read_items(items / f"{AGREEMENT}.json"), task=OTHER)
        )
        self.tasks = (SUMS, AGREEMENT, OTHER)
        self.card = ModelCard.read(self.own / "model.json")
        shape = self.card.n_layers, self.card.neurons_per_layer
        self.n = shape[0] * shape[1]
        for number, task in enumerate(self.tasks):
            self.judge(task, included=task != OTHER)
            values = np.random.default_rng(number).normal(size=shape).astype(np.float32)
            self.attribute(task, values if task != OTHER else np.zeros((0, 0), np.float32))
        self.files = TaskFiles(
            str(self.own / "model.json"),
            [str(items / f"{task}.json") for task in self.tasks],
            [str(self.own / "baseline" / f"{task}.json") for task in self.tasks],
            str(self.own / "attribution"),
        )
        self.manifest = str(self.own / ".store" / "faithfulness.json")
        write_json(self.manifest, {"model": MODEL, "keys": {}})

    def judge(self, task, **more):
        write_json(self.own / "baseline" / f"{task}.json", baseline(task, **more))

    def attribute(self, task, values):
        path = self.own / "attribution" / "neurons" / f"{task}.safetensors"
        write_tensors(path, {"attribution": values}, {"n_items": 5})

    @property
    def stage(self):
        return FaithfulnessStage.open(self.study, self.files)

    def put(self, records):
        with Store(self.own / ".store" / "faithfulness") as store:
            store.put_many({key: json.dumps(own).encode() for key, own in records.items()})

    def measure(self):
        """A record for every circuit of every order."""
        own, records = self.stage, {}
        for task, target in own.included:
            for order in own.orders("neurons", task):
                for circuit in order.beginnings(own.settings.fractions):
                    share = {0: 0.0, self.n: 1.0}.get(circuit.n, SHARES[order.name])
                    for kind in own.settings.kinds:
                        key = own.key(target, "neurons", kind, circuit)
                        records[key] = {"scores": scores(share)}
        self.put(records)

    def tables(self):
        self.measure()
        outputs = {name: str(self.own / f"{name}.csv") for name in ("curves", "areas")}
        given = {"files": self.files, "manifest": self.manifest, "component": "neurons"}
        faithfulness.write_tables(self.study, **given, **outputs)
        read = (pd.read_csv(path, keep_default_na=False) for path in outputs.values())
        return [table.fillna("") for table in read]


def scores(share):
    """[items, names]: log-probabilities whose difference is the mixture."""
    metric = CORRUPTED + share * (CLEAN - CORRUPTED)
    return [[own - 4.0, -4.0] for own in metric]


@pytest.fixture
def made(tmp_path, root):
    return lambda **settings: Made(tmp_path, root, **settings)


def areas_of(share):
    """CPR and CMD of a curve over 0, a half and all units, by trapezoids."""
    cpr = 0.5 * (0 + share) / 2 + 0.5 * (share + 1) / 2
    cmd = 0.5 * (1 + (1 - share)) / 2 + 0.5 * (1 - share) / 2
    return cpr, cmd


def test_items_of_the_same_content_are_no_evidence_of_others(made):
    """All five items of a task are one independent unit: curves stay, intervals go."""
    study = made(signs=["positive"], kinds=["corrupted"])
    path = study.own.parent / "items" / f"{AGREEMENT}.json"
    items = read_items(path)
    write_items(path, replace(items, groups=["the same"] * len(items)))
    curves, areas = study.tables()
    found = areas.set_index(["task", "order"])
    assert found.loc[(AGREEMENT, "own"), "cpr"] == pytest.approx(areas_of(SHARES["own"])[0])
    ends = ["cpr_low", "cpr_high", "cmd_low", "cmd_high"]
    assert (found.loc[AGREEMENT, ends] == "").all(axis=None)
    assert (found.loc[SUMS, ends] != "").all(axis=None)
    assert set(curves.loc[curves["task"] == AGREEMENT, "low"]) == {""}


def test_curves_and_areas_are_those_of_the_records(made):
    curves, areas = made(signs=["positive"]).tables()
    found = areas.set_index(["task", "order"])
    # The excluded task is tested on nothing, and lends no order.
    names = [(SUMS, "own"), (SUMS, "layer_matched"), (SUMS, AGREEMENT), (SUMS, "random")]
    names += [(AGREEMENT, "own"), (AGREEMENT, "layer_matched"), (AGREEMENT, SUMS)]
    assert list(found.index) == [*names, (AGREEMENT, "random")]
    for (_, order), row in found.iterrows():
        cpr, cmd = areas_of(SHARES[order])
        assert [row["cpr"], row["cpr_low"], row["cpr_high"]] == pytest.approx([cpr] * 3)
        assert [row["cmd"], row["cmd_low"], row["cmd_high"]] == pytest.approx([cmd] * 3)
        assert row["floor"] == pytest.approx(0.0, abs=1e-12) and row["n"] == 5
        assert row["sign"] == ("" if order == "random" else "positive")
    # Half of the units by the own order are enough (0.9), by others only all of them.
    own = found.index.get_level_values("order") == "own"
    assert set(found[own]["enough_percent"]) == {50} and set(found[~own]["enough_percent"]) == {100}
    assert set(found[~own]["enough_units"]) == {curves["n_units"].max()}
    assert len(curves) == 3 * len(areas)
    half = curves[(curves["fraction"] == 50) & (curves["order"] == AGREEMENT)].iloc[0]
    assert [half["faithfulness"], half["low"], half["high"]] == pytest.approx([0.7] * 3)


def test_where_no_size_is_enough_none_is_named(made):
    _, areas = made(fractions=[0, 50], kinds=["mean", "zero"], layer_matched_trials=0).tables()
    assert set(areas["kind"]) == {"mean", "zero"} and "layer_matched" not in set(areas["order"])
    random = areas[areas["order"] == "random"]
    assert set(random["enough_percent"]) == set(random["enough_units"]) == {""}
    own = areas[areas["order"] == "own"]
    # By help and by magnitude, in two ways of silencing the others, on two tasks.
    assert set(own["sign"]) == {"positive", "absolute"} and len(own) == 2 * 2 * 2
    assert set(own["enough_percent"].astype(float)) == {50}


def test_metrics_without_a_contrast_have_no_areas(made):
    """They are told undivided, in logits."""
    study = made(signs=["positive"])
    study.judge(AGREEMENT, unnormalised=True)
    curves, areas = study.tables()
    own = curves[(curves["task"] == AGREEMENT) & (curves["order"] == "own")]
    assert own["faithfulness"].tolist() == pytest.approx([-2, 0.05 * -2 + 0.95 * 4, 4])
    table = areas.set_index("task")
    assert set(table.loc[AGREEMENT, "cpr"]) == set(table.loc[AGREEMENT, "floor"]) == {""}
    assert set(table.loc[AGREEMENT, "n"]) == {5} and "" not in set(table.loc[SUMS, "cpr"])


def test_tasks_of_the_same_domain_lend_their_orders_first(made):
    study = made()
    assert study.stage.lenders("neurons", AGREEMENT) == [SUMS]
    study.judge(OTHER)
    study.attribute(OTHER, np.ones((study.card.n_layers, study.card.neurons_per_layer), np.float32))
    assert study.stage.lenders("neurons", AGREEMENT) == [OTHER, SUMS]
    assert study.stage.lenders("neurons", SUMS) in ([OTHER], [AGREEMENT])


def test_an_attribution_with_nan_is_named(made):
    study = made()
    values = np.full((study.card.n_layers, study.card.neurons_per_layer), np.nan, np.float32)
    study.attribute(SUMS, values)
    with pytest.raises(UserError) as found:
        list(study.stage.works())
    file = study.own / "attribution" / "neurons" / f"{SUMS}.safetensors"
    said = "the attribution holds NaN (delete the file: it is computed anew)"
    assert str(found.value) == f"{file}: {said}"


# Rivals


def test_rivals_are_sought_where_a_study_asks_for_rounds(made):
    study = made(rivals={"rounds": 2})
    works = list(rivals.works(study.stage))
    assert [work.what for work in works] == [
        f"{task}, neurons: rivals" for task in (SUMS, AGREEMENT)
    ]
    # Five items in each of two searches; three measurements of the own circuit and of two rivals.
    assert [work.steps(None, ()) for work in works] == [2 * 5 + 3 * 3 * 5] * 2
    keys = [key for work in works for key in work.keys.values()]
    own = study.stage
    study.study = with_rounds(study.study, 1)
    fewer = [key for work in rivals.works(study.stage) for key in work.keys.values()]
    assert len({*keys, *fewer}) == 4
    study.study = with_rounds(study.study, 0)
    assert list(rivals.works(study.stage)) == [] and own.settings.rivals.rounds == 2


def with_rounds(study, rounds):
    """What the stage reads of a study that asks for so many rounds."""
    asked = study.faithfulness
    own = asked.model_copy(update={"rivals": asked.rivals.model_copy(update={"rounds": rounds})})
    read = ("tasks", "attribution", "selection", "model", "ablation")
    return SimpleNamespace(**{name: getattr(study, name) for name in read}, faithfulness=own)


def test_rivals_stand_round_by_round_beside_what_the_intact_model_shows(made):
    """Of one task the first rival is what stands next in the order, the second has no unit left."""
    study = made(signs=["positive"], rivals={"rounds": 2, "percent": 5.0})
    study.judge(AGREEMENT, unnormalised=True)
    own, records = study.stage, {}
    k = int(study.n * 5 / 100)
    for task, target in own.included:
        order = own.ranked("neurons", task, "positive")
        circuits = [order[:k].tolist(), order[k : 2 * k].tolist(), []]
        measured = {ALONE: (0.8, 0.6, 0.0), CONTROL: (0.1, 0.2, 0.0), WITHOUT: (0.5, 0.3, 0.3)}
        records[Rivals(own, own.lists[task], target, "neurons").key] = {
            "circuits": circuits,
            "scores": {name: [scores(one) for one in shares] for name, shares in measured.items()},
        }
    study.put(records)
    output = study.own / "rivals.csv"
    given = {"files": study.files, "manifest": study.manifest, "component": "neurons"}
    rivals.write_rivals(study.study, **given, output=str(output))
    table = pd.read_csv(output)
    sums, plain = table[table["task"] == SUMS], table[table["task"] == AGREEMENT]
    assert len(table) == 6 and sums["round"].tolist() == [0, 1, 2]
    assert sums["n_units"].tolist() == [k, k, 0]
    assert sums["faithfulness"].tolist() == pytest.approx([0.8, 0.6, 0.0], abs=1e-12)
    assert sums["low"].tolist() == pytest.approx([0.8, 0.6, 0.0], abs=1e-9)
    assert sums["control"].tolist() == pytest.approx([0.1, 0.2, 0.0], abs=1e-12)
    assert sums["without"].tolist() == pytest.approx([0.5, 0.3, 0.3])
    assert sums["without_high"].tolist() == pytest.approx([0.5, 0.3, 0.3])
    assert sums["next_best"].isna().tolist() == [True, False, True]
    assert sums["next_best"][sums["round"] == 1].item() == 1
    order = own.ranked("neurons", SUMS, "positive")
    width = study.card.neurons_per_layer
    layers = [(order[start : start + k] // width).tolist() for start in (0, k)]
    common = sum(min(one.count(n) for one in layers) for n in range(study.card.n_layers)) / k
    assert sums["same_layers"].tolist()[1] == pytest.approx(common)
    # A metric without a contrast is no share of anything; where units lie is known all the same.
    assert plain[["faithfulness", "low", "control", "without"]].isna().all(axis=None)
    assert plain["next_best"].tolist()[1] == 1


def test_fewer_random_units_are_no_control_of_a_circuit(made):
    """The own circuit is two thirds of its layer: a third is left to be drawn. The rival is one unit."""
    study = made(signs=["positive"], rivals={"rounds": 1, "percent": 5.0})
    own, records, width = study.stage, {}, study.card.neurons_per_layer
    for task, target in own.included:
        measured = {ALONE: (0.8, 0.6), CONTROL: (0.1, 0.2), WITHOUT: (0.5, 0.3)}
        records[Rivals(own, own.lists[task], target, "neurons").key] = {
            "circuits": [list(range(2 * width // 3)), [width + 2]],
            "scores": {name: [scores(one) for one in shares] for name, shares in measured.items()},
        }
    study.put(records)
    output = study.own / "rivals.csv"
    given = {"files": study.files, "manifest": study.manifest, "component": "neurons"}
    rivals.write_rivals(study.study, **given, output=str(output))
    table = pd.read_csv(output).groupby("round")
    assert table["control"].count().tolist() == [0, 2]
    assert table["control"].mean()[1] == pytest.approx(0.2)
    assert table["faithfulness"].count().tolist() == [2, 2]


def test_rivals_are_kept_alone_beside_units_of_their_layers_and_taken_away_together(made):
    study = made(rivals={"rounds": 2})
    own = study.stage
    task, target = next(own.included)
    one = Rivals(own, own.lists[task], target, "neurons")
    width, order = study.card.neurons_per_layer, one.order
    circuits = [order[:6], order[6:12], np.array([], int)]
    lesions = {name: mask.reshape(-1) for name, mask in one._lesions(circuits)}
    assert list(lesions) == [(what, n) for n in range(3) for what in (ALONE, CONTROL, WITHOUT)]
    gone = set()
    for number, units in enumerate(circuits):
        assert np.flatnonzero(lesions[ALONE, number]).tolist() == sorted(units.tolist())
        drawn = np.flatnonzero(lesions[CONTROL, number])
        assert sorted(drawn // width) == sorted(units // width) and not set(drawn) & set(units)
        gone |= set(units.tolist())
        assert set(np.flatnonzero(~lesions[WITHOUT, number])) == gone


def test_a_record_of_rivals_holds_what_a_naive_lesion_costs(models):
    """Everything but the circuits, and the circuits themselves, set to corrupted activations."""
    model, items = models("llama"), ITEMS[:2]
    wide = model.heads_per_layer
    order = np.random.default_rng(0).permutation(3 * wide).astype(np.int32)
    percent = 100 * 2 / len(order) + 1e-9
    settings = FaithfulnessSettings(rivals=RivalSettings(rounds=1, percent=percent))
    stage = SimpleNamespace(
        settings=AttributionSettings(components=("heads",)),
        card=SimpleNamespace(name="m"),
        shape=lambda _: (3, wide),
        population=lambda _: Population(3, wide),
    )
    whole = SimpleNamespace(stage=stage, settings=settings, ranked=lambda *_: order)
    listed = ItemList(SimpleNamespace(task="language/t", groups=[]), None, (0, 1), False)
    target = SimpleNamespace(task="language/t", used=(0, 1))
    bench = SimpleNamespace(
        model=model, study=None, engine=Engine(model), encoded=lambda _: items, made_with={}
    )
    steps = []
    [part] = Rivals(whole, listed, target, "heads")._parts(bench, ["it"], steps.append)
    record = json.loads(part["it"])
    first, second = record["circuits"]
    assert first == order[:2].tolist() and len(second) == 2
    every = set(range(3 * wide))
    silenced = {
        (ALONE, 0): every - set(first),
        (ALONE, 1): every - set(second),
        (WITHOUT, 0): set(first),
        (WITHOUT, 1): {*first, *second},
    }
    for (what, number), units in silenced.items():
        places = [divmod(unit, wide) for unit in sorted(units)]
        expected = [naive_lesion(model, one, "heads", places, "corrupted") for one in items]
        np.testing.assert_allclose(record["scores"][what][number], expected, rtol=1e-3, atol=1e-4)
    assert len(record["scores"][CONTROL]) == 2


# Forecasts


def test_a_forecast_sums_the_targets_attribution_over_the_sources_circuit(tmp_path):
    """Of two tasks that are included, in two sizes; the third has no attribution."""
    own = card(n_layers=2, neurons_per_layer=3)
    own.write(tmp_path / "model.json", {})
    origin = Origin.of(own.name, own.weights_hash, COMPONENTS["neurons"])
    values = {
        "language/a": np.array([[5, 4, 0], [0, 0, 1]], np.float32),
        "language/none": np.zeros((0, 0), np.float32),
        "formal/b": np.array([[-1, 0, 0], [7, 2, 0]], np.float32),
    }
    circuits = {
        "positive-20.0pct": {"language/a": [(0, 0)], "formal/b": [(1, 0)]},
        "positive-40.0pct": {"language/a": [(0, 0), (0, 1)], "formal/b": [(1, 0), (1, 1)]},
    }
    for task, attribution in values.items():
        write_tensors(
            tmp_path / f"attribution/{task}.safetensors", {"attribution": attribution}, {}
        )
    for selection, masks in circuits.items():
        for task, units in masks.items():
            rows = [(*unit, "1") for unit in units]
            path = tmp_path / "masks" / selection / f"{task}.csv"
            write(path, "score", rows, origin, selection)
    outputs = {selection: str(tmp_path / f"{selection}.csv") for selection in circuits}
    write_forecasts(
        None,
        model_json=str(tmp_path / "model.json"),
        component="neurons",
        tasks=list(values),
        attribution_files=[str(tmp_path / f"attribution/{task}.safetensors") for task in values],
        mask_folder=str(tmp_path / "masks"),
        outputs=outputs,
    )
    small, large = (pd.read_csv(path, index_col=0) for path in outputs.values())
    assert list(small.index) == list(small.columns) == ["language/a", "formal/b"]
    assert small.to_numpy().tolist() == [[5, -1], [0, 7]]
    assert large.to_numpy().tolist() == [[9, -1], [0, 9]]
