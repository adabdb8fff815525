"""The planted study: what was planted is found by every map, and not in the twin (docs/planted.md)."""

import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from clone import copy_workflow, own_cache
from safetensors.numpy import load_file

from brodmann.circuits.estimators import ESTIMATORS
from brodmann.store import masks

pytestmark = pytest.mark.slow

STUDY = ("--configfile", "config/planted/study.yaml", "--directory")
MAIN = "positive-5.0pct"
TARGETS = ("overlaps", "ablations", "statistics", "localizers", "network_maps")


@pytest.fixture(scope="module")
def clone(root, tmp_path_factory):
    """The workflow with the planted study."""
    clone = copy_workflow(root, tmp_path_factory.mktemp("planted") / "clone")
    shutil.copytree(root / "config" / "planted", clone.path / "config" / "planted")
    with own_cache(tmp_path_factory.mktemp("cache")):
        yield clone


@pytest.fixture(scope="module")
def results(clone):
    clone.snakemake(*TARGETS, *STUDY, "whole")
    return clone.path / "whole" / "results"


@pytest.fixture(scope="module", autouse=True)
def scripts(root):
    """The study's own modules can be imported."""
    sys.path.insert(0, str(root / "config" / "planted"))
    yield
    sys.path.remove(str(root / "config" / "planted"))


@pytest.fixture(scope="module")
def recall(scripts):
    import recall

    return recall


@pytest.fixture(scope="module")
def trained(scripts, tmp_path_factory):
    """A planted model trained afresh, and snapshots of its training: a folder for each step."""
    import train

    folder, settings = tmp_path_factory.mktemp("run"), train.Training()
    last = settings.steps + settings.closing

    def keep(step, model):
        if step in (0, 150, last):
            train.save(model, folder / str(step))

    train.train(True, settings, keep)
    return folder


def row(results, table, **where):
    found = pd.read_csv(results / "statistics" / f"{table}.csv")
    for key, value in where.items():
        found = found[found[key] == value]
    [one] = found.to_dict("records")
    return one


def overlap(results, model):
    matrix = pd.read_csv(results / model / f"overlap/neurons/{MAIN}.containment.csv", index_col=0)
    domain = matrix.index.str.partition("/").get_level_values(0).to_numpy()
    same = domain[:, None] == domain[None, :]
    return matrix.to_numpy(), same, ~np.eye(len(matrix), dtype=bool)


def test_every_task_is_done(results):
    for model in ("planted", "twin"):
        assert len(list((results / model / "masks/neurons" / MAIN).glob("*/*.csv"))) == 16


def test_the_partition_comes_back_from_overlap(results):
    at = {"model": "planted", "component": "neurons", "measure": "containment"}
    for sel in (MAIN, "positive-10.0pct"):
        assert row(results, "clustering", sel=sel, **at)["ari"] == 1.0
    values, same, off = overlap(results, "planted")
    assert (values[~same] == 0).all() and values[same & off].mean() > 0.1


def test_lesions_stay_within_their_world(results):
    at = {"component": "neurons", "sel": MAIN, "measure": "accuracy_drop"}
    found = row(results, "modularity", model="planted", **at)
    assert found["within"] > 0.1 and found["within"] > 20 * found["cross"]
    assert found["p"] < 0.001


def test_circuits_are_of_what_was_planted(results, recall):
    found = list(recall.recalls(results, "planted", MAIN))
    assert len(found) == 16 and all(one.precision == 1 for one in found)
    assert all(one.mass > 0.999 for one in found)


def test_the_twin_has_no_quarters(results, recall):
    """What its circuits have of a quarter is what chance gives, and lesions cross the domains."""
    found = list(recall.recalls(results, "twin", MAIN))
    # 16 circuits of 25 neurons; tasks of a world share some, so that their mean varies as that of fewer.
    assert abs(np.mean([one.precision for one in found]) - 0.25) < 0.1
    assert abs(np.mean([one.mass for one in found]) - 0.25) < 0.1
    at = {"component": "neurons", "sel": MAIN, "measure": "accuracy_drop"}
    planted, twin = (row(results, "modularity", model=m, **at) for m in ("planted", "twin"))
    assert twin["cross"] > 0.01 > planted["cross"]
    assert twin["within"] < 20 * twin["cross"]
    values, same, off = overlap(results, "twin")
    assert values[~same].mean() > values[same & off].mean() / 2
    # Its own order is that of the forms of tasks, in whatever world.
    of_overlap = {"component": "neurons", "sel": MAIN, "measure": "containment"}
    assert row(results, "clustering", model="twin", **of_overlap)["ari"] < 0.3


def test_networks_are_matched_to_worlds(results, recall):
    """Every network of the planted model is of one world, and every world has one; the twin's are of none."""
    purity = {}
    for model in ("planted", "twin"):
        maps = load_file(results / model / "networks/passages/templates.safetensors")["maps"]
        own, members = recall.owners(maps.shape[1:]), np.abs(maps) > 2.5
        counts = np.array([[(one & (own == w)).sum() for w in range(4)] for one in members])
        purity[model] = counts[counts.sum(1) > 2] / counts[counts.sum(1) > 2].sum(1, keepdims=True)
    assert (purity["planted"].max(1) > 0.95).all() and (purity["planted"].max(0) > 0.95).all()
    assert purity["twin"].max(1).mean() < 0.6


def test_localized_units_are_those_of_the_world(results, recall):
    for model, share in (("planted", 1.0), ("twin", 0.6)):
        units = np.array(masks.read(results / model / "localizer/language/top-5.0pct.csv").units)
        own = recall.owners((3, 128))[units[:, 0], units[:, 1]] == recall.WORLDS.index("north")
        assert own.mean() == 1.0 if share == 1.0 else own.mean() < share


@pytest.fixture(scope="module")
def of_experts(clone):
    """The same worlds, read by mixtures of experts."""
    study = ("--configfile", "config/planted/experts.yaml", "--directory", "experts")
    made = ("results/statistics/experts.csv", "ablations", "results/statistics/modularity.csv")
    clone.snakemake(*made, *study)
    return clone.path / "experts" / "results"


def test_circuits_lie_in_their_worlds_expert(of_experts, recall):
    found = list(recall.recalls(of_experts, "experts", MAIN))
    assert len(found) == 16 and all(one.precision == 1 and one.mass > 0.999 for one in found)
    for path in (of_experts / "experts/masks/neurons" / MAIN).glob("*/*.csv"):
        assert set(pd.read_csv(path)["expert"]) == {recall.WORLDS.index(path.parent.name)}
    # Whole experts as units: of three layers of four, the world's.
    for path in (of_experts / "experts/masks/experts/positive-25.0pct").glob("*/*.csv"):
        units = pd.read_csv(path)
        assert set(units["unit"]) == {recall.WORLDS.index(path.parent.name)}
        assert (units["unit"] == units["expert"]).all()
    at = {"component": "experts", "measure": "accuracy_drop", "sel": "positive-25.0pct"}
    lost = row(of_experts, "modularity", model="experts", **at)
    assert lost["within"] > 0.3 and lost["cross"] == 0 and lost["p"] < 0.001


def test_modules_live_in_experts_of_the_planted_mixture_alone(of_experts):
    table = pd.read_csv(of_experts / "statistics/experts.csv").set_index(
        ["model", "sel", "measure"]
    )
    planted = table.loc["experts", MAIN, "similarity"]
    # What two tasks of a world do not share is in how many layers their circuits lie.
    assert planted["within"] > 0.5 and planted["across"] == 0 and planted["q"] < 0.001
    assert table.loc["experts", MAIN, "concentration"]["value"] == 1
    twin = table.loc["experts-twin", MAIN, "similarity"]
    assert twin["p"] > 0.01 and twin["value"] < planted["value"] / 4


@pytest.mark.parametrize("estimator", [name for name in ESTIMATORS if name != "patching"])
def test_every_estimator_finds_what_was_planted(clone, recall, estimator):
    how = f"attribution={{estimator: {estimator}, second_seed: false, exact_units: 384}}"
    # The rule of one mask makes all of its model.
    mask = f"results/planted/masks/neurons/{MAIN}/north/blend.csv"
    clone.snakemake(mask, *STUDY, estimator, "--config", how, "tasks={items: 8}")
    found = list(recall.recalls(clone.path / estimator / "results", "planted", MAIN))
    assert len(found) == 16 and all(one.precision == 1 for one in found)
    assert all(one.mass > 0.999 for one in found)


def test_training_anew_gives_such_a_model(trained):
    import train

    last = max(trained.iterdir(), key=lambda path: int(path.name))
    for told in train.effects(train.load(last)).values():
        assert told["accuracy"] > 0.95 and told["without_own"] < 0.5
        assert told["change"] < 1e-3


def test_a_series_shows_when_modules_appear(clone, trained):
    steps = sorted(int(path.name) for path in trained.iterdir())
    study = {
        "models": {
            "planted": {
                "source": f"path:{trained}",
                "dtype": "float32",
                "format": "completion",
                "control": True,
                "series": {"paths": [str(step) for step in steps], "steps": steps},
            }
        },
        "tasks": {"folder": "config/planted/tasks", "items": 16, "min_items": 8},
        "attribution": {"second_seed": False, "splits": 2, "bootstraps": 2},
        "selection": {"percents": [5.0], "main": 5.0},
        "ablation": {"layer_matched_trials": 1, "random_trials": 1, "max_items": 8},
        "localizer": {"networks": []},
    }
    (clone.path / "series.yaml").write_text(yaml.safe_dump(study))
    made = ("results/statistics/series.csv", "results/figures/series.png")
    clone.snakemake(*made, "--configfile", "series.yaml", "--directory", "series")
    table = pd.read_csv(clone.path / "series" / made[0])
    of_all = table[(table["measure"] == "accuracy") & table["domain"].isna()]
    assert of_all["step"].tolist() == steps
    assert of_all["value"].iloc[0] < 0.3 < 0.9 < of_all["value"].iloc[-1]
    [ari] = table[(table["measure"] == "ari") & (table["step"] == steps[-1])]["value"]
    assert ari == 1.0
    # A checkpoint that can do nothing has no circuits.
    assert (
        not table[(table["step"] == 0) & table["value"].notna()]["measure"]
        .str.startswith("drop")
        .any()
    )
