"""Light jobs on lesions and overlaps: matrices of tables, which lesions there are, and error lines."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from cards import card
from safetensors.numpy import save

from brodmann.circuits.inclusion import Baseline
from brodmann.circuits.masks import Selection, select_units, write_mask
from brodmann.circuits.replicates import Strongest
from brodmann.circuits.stages.ablation import (
    COLUMNS,
    AblationStage,
    Circuits,
    gather,
    write_matrices,
    write_tables,
)
from brodmann.circuits.stages.activity import activity_works, read_activity
from brodmann.circuits.stages.agreement import COLUMNS as AGREED
from brodmann.circuits.stages.agreement import write_agreement
from brodmann.circuits.stages.effects import EffectTarget, metrics
from brodmann.circuits.stages.files import TaskFiles
from brodmann.circuits.stages.overlap import write_overlaps
from brodmann.circuits.stages.stability import write_stability
from brodmann.config.ablation import AblationSettings
from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.files import write_json
from brodmann.models.population import Population
from brodmann.runner.unit_tokens import TOKENS
from brodmann.sites import COMPONENTS
from brodmann.store.store import Store
from brodmann.store.tables import write_table
from brodmann.store.tensors import write_tensors
from brodmann.tasks.items import Item, TaskItems, write_items

ONE, TWO, OUT = "language/one", "formal/two", "formal/out"
LAYERS, WIDTH = 2, 10


def row(source, condition, drop, score=0.5):
    return {"source": source, "condition": condition, "drop": drop, "score": score}


@pytest.fixture
def lesions(tmp_path):
    """Tables of three targets, of which one is excluded; returns the folder of a selection and kind."""
    folder = tmp_path / "positive-1.0pct" / "zero"
    tables = {
        ONE: [row("", "intact", 0.0), row(ONE, "circuit", 0.5, 0.25), row(TWO, "circuit", 0.125)],
        TWO: [row(TWO, "circuit", 0.75), row(ONE, "circuit", -0.25), row(ONE, "layer_matched", 9)],
        OUT: [],
    }
    for task, rows in tables.items():
        write_table(folder / f"{task}.csv", rows, COLUMNS)
    return folder


def test_a_matrix_has_sources_in_rows_and_no_excluded_task(lesions, tmp_path):
    names = [f"positive-1.0pct.zero.{value}" for value in ("accuracy_drop", "score")]
    outputs = {name: str(tmp_path / f"{name}.csv") for name in names}
    write_matrices(None, tasks=[ONE, TWO, OUT], folder=str(tmp_path), outputs=outputs)
    drops, scores = (pd.read_csv(path, index_col=0) for path in outputs.values())
    assert list(drops.index) == list(drops.columns) == [ONE, TWO]
    assert drops.to_numpy().tolist() == [[0.5, -0.25], [0.125, 0.75]]
    assert scores.to_numpy().tolist() == [[0.25, 0.5], [0.5, 0.5]]
    # Of a model without an included task nothing is left but the file.
    write_matrices(None, tasks=[OUT], folder=str(tmp_path), outputs={names[0]: outputs[names[0]]})
    with open(outputs[names[0]], encoding="utf-8") as file:
        assert ONE not in file.read()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(ONE, "circuit", 0.5)], f"the circuit of {TWO} is not in it"),
        ([row(ONE, "circuit", "x")], f"a line of '{ONE}' cannot be read"),
        ([row("language/other", "circuit", 0.5)], "a line of 'language/other' cannot be read"),
    ],
)
def test_a_table_that_lacks_a_circuit_is_named(lesions, rows, said):
    path = str(lesions / f"{ONE}.csv")
    write_table(path, rows, COLUMNS)
    tables = {task: str(lesions / f"{task}.csv") for task in (ONE, TWO)}
    with pytest.raises(UserError) as found:
        gather(tables, [ONE, TWO], "drop")
    assert str(found.value) == f"{path}: {said} (delete it and run again to rebuild it)"


def test_layers_that_are_nearly_full_give_fewer_controls_and_say_so(caplog):
    circuits = Circuits({ONE: tuple(range(7)), TWO: (12,)}, Population(LAYERS, WIDTH))
    settings = AblationSettings(layer_matched_trials=2, random_trials=1)
    with caplog.at_level(logging.WARNING):
        found = list(circuits.lines("m", TWO, settings))
    said = f"{ONE} on {TWO}: 4 units short, a layer has too few others"
    assert caplog.messages == [said, said]
    matched = [own for own in found if own.condition == "layer_matched"]
    assert [(own.source, own.trial, len(own.units)) for own in matched] == [
        *((ONE, 1, 3), (ONE, 2, 3)),
        *((TWO, 1, 1), (TWO, 2, 1)),
    ]
    assert matched[0].units == (7, 8, 9)
    # Of each size of circuits the random units once, after the intact model and all circuits.
    random = [own for own in found if own.condition == "random"]
    assert [len(own.units) for own in random] == [1, 7] and found[0].condition == "intact"


# Targets


CLEAN, CORRUPTED = (3.0, 2.0, 1.0), (-1.0, 0.0, 1.0)


def items_of(task):
    items = [Item(f"{n} is", f"{n} was", " a", " b") for n in range(3)]
    return TaskItems(task, {"completion": items}, groups=["0", "1", "2"])


def baseline(*, included=True, used=(0, 1, 2), single=False, unnormalised=False):
    names = ("answer", None) if single else ("correct", "incorrect")
    rows = []
    for number, (clean, corrupted) in enumerate(zip(CLEAN, CORRUPTED, strict=True)):
        own = {"id": number, f"clean_{names[0]}": clean, f"corrupted_{names[0]}": corrupted}
        if names[1]:
            own |= {"clean_incorrect": 0.0, "corrupted_incorrect": 0.0}
        rows.append(own)
    return Baseline(
        *(3, 3, 3, 1.0, 1.0, 1.0, 2.0, 0.0, [0, 1, 2], included, "made up"),
        unnormalised=unnormalised,
        single_answer=single,
        used_ids=list(used),
        items=rows,
    )


class Made:
    """A study of one model with two layers of ten neurons; its first task is included, the second is not."""

    def __init__(self, folder, root, text=""):
        config = folder / "config.yaml"
        config.write_text(
            "models: {tiny: {source: 'hf:org/name'}}\n"
            "tasks: {include: [language/npi, formal/code_list]}\n"
            "selection: {percents: [10.0], main: 10.0}\nlocalizer: {networks: []}\n" + text,
            encoding="utf-8",
        )
        self.study = load_config([config], root=root).study
        self.folder, self.tasks = folder, ["language/npi", "formal/code_list"]
        self.card = card(n_layers=LAYERS, neurons_per_layer=WIDTH, heads_per_layer=2)
        self.card.write(folder / "model.json", {})
        self.model_json = str(folder / "model.json")
        items, baselines = [], []
        for task in self.tasks:
            items.append(str(folder / f"items/{task}.json"))
            write_items(items[-1], items_of(task))
            baselines.append(str(folder / f"baseline/{task}.json"))
            own = baseline(included=task == self.tasks[0])
            write_json(baselines[-1], own.to_json())
        self.files = TaskFiles(self.model_json, items, baselines)

    @property
    def stage(self):
        return AblationStage.open(self.study, self.files)

    def mask(self, scores, component="neurons"):
        selection = Selection("positive", 10.0)
        path = self.folder / "masks" / component / selection.name / f"{self.tasks[0]}.csv"
        origin = self.card.origin(COMPONENTS[component])
        write_mask(path, select_units(scores, selection), origin, selection)
        return str(self.folder / "masks")


@pytest.fixture
def made(tmp_path, root):
    return lambda *more: Made(tmp_path, root, *more)


def test_a_target_normalises_by_the_items_that_it_is_measured_on(made):
    stage = made("ablation: {max_items: 1, seed: 3}\n").stage
    own, none = stage.targets.values()
    assert none is None and stage.included == ["language/npi"]
    [number] = own.used
    assert (own.clean_baseline, own.corrupted_baseline) == (CLEAN[number], CORRUPTED[number])
    # The third item has no contrast by itself.
    assert own.unnormalised == (number == 2)


@pytest.mark.parametrize("single", [False, True])
def test_what_a_lesion_costs_is_a_share_of_the_contrast(made, single):
    stage = made().stage.stage
    own = EffectTarget.of(stage, items_of(ONE), baseline(single=single))
    assert metrics(baseline(single=single), [0, 2], "clean").tolist() == [3.0, 1.0]
    # Means of 2 and 0: the scores below have a mean metric of 1, a half.
    scores = [[3.0, 2.0, 1.0], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]] if single else None
    pairs = [[4.0, 1.0], [-2.0, -1.0], [5.0, 4.0]]
    found = own.summary(np.array(scores or pairs), "float32")
    assert found["n"] == 3 and found["score"] == pytest.approx(0.5)
    # Of a single answer the text counts, of which the third is tied.
    assert found["accuracy"] == pytest.approx(1 / 3 if single else 2 / 3)
    assert found["ties"] == (1 if single else 0)
    plain = EffectTarget.of(stage, items_of(ONE), baseline(single=single, unnormalised=True))
    assert plain.summary(np.array(scores or pairs), "float32")["score"] == pytest.approx(1.0)


def test_controls_that_are_as_active_stand_in_the_table_with_their_activity(made):
    """From the store: each record's scores say how many units its lesion has."""
    text = "ablation: {layer_matched_trials: 0, random_trials: 1, activation_matched_trials: 1}\n"
    study = made(text)
    scores = np.zeros((LAYERS, WIDTH), np.float32)
    scores[0, 3], scores[1, 4] = 2.0, 1.0
    folder, stage = study.mask(scores), study.stage
    values = np.arange(1.0, 21.0).reshape(LAYERS, WIDTH)
    [work] = activity_works(stage.stage, {"language/npi": stage.targets["language/npi"]})
    [(name, key)] = work.keys.items()
    store = study.folder / ".store"
    with Store(store / "ablation") as records:
        records.put_many({key: save({"activations": values})})
    write_json(store / "ablation.json", {"model": "tiny", "keys": {name: key}})
    reads = SimpleNamespace(get=lambda *_: save({"activations": values}))
    target, task = stage.targets["language/npi"], "language/npi"
    own = {}
    for work in stage.works(folder, reads):
        for units, key in work.keys.items():
            margin = 1.0 - len(units)  # intact 1, of two units -1
            own[key] = json.dumps({"scores": [[margin, 0.0]] * len(target.used)}).encode()
    with Store(store / "ablation") as records:
        records.put_many(own)
    kinds = study.study.ablation.kinds
    outputs = [str(study.folder / f"{kind}.{n}.csv") for kind in kinds for n in range(2)]
    write_tables(
        study.study,
        files=study.files,
        mask_folder=folder,
        manifest=str(store / "ablation.json"),
        component="neurons",
        outputs=outputs,
    )
    table = pd.read_csv(outputs[0], keep_default_na=False).set_index("condition")
    assert list(table.index) == ["intact", "circuit", "activation_matched", "random"]
    assert table.loc["circuit", "k"] == 2 and table.loc["circuit", "source"] == task
    assert table["drop"].tolist() == [0.0, 1.0, 1.0, 1.0]
    # Shares of a contrast of 2: metrics of 1 and of -1.
    assert table.loc["intact", "score"] == pytest.approx(0.5)
    assert table.loc["circuit", "score"] == pytest.approx(-0.5)
    assert float(table.loc["circuit", "activation"]) == (values[0, 3] + values[1, 4]) / 2
    # A unit of each layer, and about as active.
    assert abs(float(table.loc["activation_matched", "activation"]) - 9.5) <= 4
    assert table.loc["intact", "activation"] == ""
    # The excluded task has a header alone.
    assert pd.read_csv(outputs[1]).empty


def test_no_activity_is_read_where_no_control_needs_it(made):
    stage = made().stage.stage
    assert list(activity_works(stage, {"language/npi": None})) == []
    assert read_activity(stage, None, "language/npi", "neurons") is None


@pytest.mark.parametrize("atlas", ["{units: 0}", "{tokens: 0}"])
def test_units_without_pages_need_no_tokens(made, atlas):
    assert list(made(f"atlas: {atlas}\n").stage.page_works("nowhere")) == []


def test_pages_are_of_the_strongest_units_of_each_circuit(made):
    study = made("atlas: {units: 1}\n")
    scores = np.zeros((LAYERS, WIDTH), np.float32)
    scores[0, 3], scores[1, 4] = 1.0, 2.0
    [work] = study.stage.page_works(study.mask(scores))
    scores[1, 4] = 0.5
    [other] = study.stage.page_works(study.mask(scores))
    assert list(work.keys) == list(other.keys) == [TOKENS]
    # Another unit is the first.
    assert work.keys[TOKENS] != other.keys[TOKENS]


# Tables of a model of which nothing is left


def test_estimators_are_compared_on_no_excluded_task(made):
    study = made("attribution: {agreement: {tasks: ['*']}}\n")
    files = TaskFiles(study.model_json, study.files.items[1:], study.files.baselines[1:])
    outputs = {name: str(study.folder / f"{name}.csv") for name in ("table", "units")}
    write_agreement(
        study.study,
        files=files,
        component="neurons",
        manifest=str(study.folder / "none.json"),
        **outputs,
    )
    table, units = (pd.read_csv(path) for path in outputs.values())
    assert tuple(table.columns) == AGREED and table.empty and units.empty
    assert list(units.columns[:4]) == ["task", "layer", "unit", "in_mask"]


def overlaps(study, replicates, masks):
    """Light job of overlaps of the tasks that have replicates."""
    tasks = list(replicates)
    given = []
    for task, tensors in replicates.items():
        given.append(str(study.folder / f"{task}.replicates.safetensors"))
        write_tensors(given[-1], tensors, {"n_items": 4, "n_units": 4})
    origin, selection = study.card.origin(COMPONENTS["neurons"]), Selection("positive", 10.0)
    for task, units in masks.items():
        scores = np.zeros((LAYERS, WIDTH), np.float32)
        scores.reshape(-1)[units] = 1.0
        path = study.folder / "masks" / selection.name / f"{task}.csv"
        write_mask(path, select_units(scores, selection), origin, selection)
    for task in tasks:
        write_json(study.folder / f"{task}.json", baseline().to_json())
    write_overlaps(
        study.study,
        model_json=study.model_json,
        component="neurons",
        tasks=tasks,
        baseline_files=[str(study.folder / f"{task}.json") for task in tasks],
        mask_folder=str(study.folder / "masks"),
        replicate_files=given,
        folder=str(study.folder / "overlap"),
    )
    stem = study.folder / "overlap" / selection.name
    found = {name: pd.read_csv(f"{stem}.{name}.csv") for name in ("reliability", "summary")}
    return {**found, "containment": pd.read_csv(f"{stem}.containment.csv", index_col=0)}


def test_without_an_included_task_overlaps_are_of_nothing(made):
    found = overlaps(made(), {ONE: {}, TWO: {}}, {})
    assert found["reliability"].empty and found["containment"].empty
    summary = found["summary"]
    assert set(summary["n_tasks"]) == set(summary["n_bootstraps"]) == {0}
    assert summary[["mean", "low", "high"]].isna().all(axis=None)


def test_a_circuit_that_shares_nothing_is_named_and_a_second_seed_is_its_ceiling(made, caplog):
    """Circuits of two units: two tasks share one of them, the third none."""
    masks = {ONE: [0, 1], TWO: [1, 2], "social/three": [15, 16]}
    halves = np.zeros((2, LAYERS * WIDTH), np.float32)
    halves[:, [0, 1]] = 1.0
    replicates = {}
    for task, units in masks.items():
        second = np.zeros((LAYERS, WIDTH), np.float32)
        second.reshape(-1)[[units[0], 19]] = 1.0  # half of it comes back
        drawn = np.zeros((3, LAYERS * WIDTH), np.float32)
        drawn[:, units] = 1.0
        replicates[task] = {
            **Strongest.of(halves, 10.0).tensors("halves"),
            **Strongest.of(drawn, 10.0).tensors("bootstraps"),
            "second": second,
        }
    with caplog.at_level(logging.WARNING):
        found = overlaps(made(), replicates, masks)
    said = "positive-10.0pct: social/three overlaps with no other task: NaN when scaled"
    assert said in caplog.messages
    shared = found["containment"]
    assert shared.loc[ONE, TWO] == 0.5 and shared.loc[ONE, "social/three"] == 0
    rates = found["reliability"].set_index("task")
    assert set(rates["split_containment"]) == {1.0} and set(rates["seed_containment"]) == {0.5}
    assert rates["seed_jaccard"].tolist() == pytest.approx([1 / 3] * 3)
    assert set(rates["n_circuit"]) == {2} and set(rates["n_items"]) == {3}
    own = found["summary"].set_index(["measure", "pairs"])
    # No two tasks are of one domain; of six ordered pairs two share a half. All draws are alike.
    across = own.loc[("containment", "cross")]
    assert across["mean"] == pytest.approx(1 / 6) and across["n_bootstraps"] == 3
    assert np.isnan(own.loc[("containment", "within"), "mean"])
    assert [across["low"], across["high"]] == pytest.approx([1 / 6] * 2)


def test_a_task_of_one_independent_unit_has_no_other_draw(made):
    study = made()
    drawn = np.zeros((2, LAYERS * WIDTH), np.float32)
    drawn[0, [0, 1]] = drawn[1, [0, 2]] = 1.0
    tensors = Strongest.of(drawn, 10.0).tensors("bootstraps")
    paths = []
    for task, own, n_units in ((ONE, tensors, 4), (TWO, tensors, 1), (OUT, {}, 0)):
        paths.append(str(study.folder / f"{task}.safetensors"))
        write_tensors(paths[-1], own, {"n_items": 4, "n_units": n_units})
    output = str(study.folder / "stability.csv")
    write_stability(
        study.study,
        model_json=study.model_json,
        component="neurons",
        tasks=[ONE, TWO, OUT],
        replicate_files=paths,
        manifest=str(study.folder / "none.json"),
        table=output,
    )
    table = pd.read_csv(output).set_index("task")
    # Two draws share one of three units; of a single independent unit there is nothing to say.
    assert list(table.index) == [ONE, TWO]
    assert table.loc[ONE, "jaccard"] == pytest.approx(1 / 3) and table.loc[ONE, "stable"] == 0
    assert table.loc[TWO, ["jaccard", "stable", "needed"]].isna().all()
    assert table["n_circuit"].tolist() == [2, 2] and table["n_bootstraps"].tolist() == [2, 0]
