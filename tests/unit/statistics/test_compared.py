"""results/statistics/compared.csv, from files whose numbers are known."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from cards import card
from safetensors.numpy import save_file
from scipy.stats import spearmanr

from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.report.compared import compared_part
from brodmann.statistics.stages.compared import COLUMNS, EACH, write_compared

TASKS = ("formal/number_sequence", "language/npi")
MASK = "layer,unit,score,model,weights,site,selection\n"


def written(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def save(folder, name, **tensors):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(path))


@pytest.fixture
def study_of(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(**own):
        (tmp_path / "m").mkdir(exist_ok=True)
        models = {name: {"source": f"path:{tmp_path}/m"} for name in ("full", "packed")}
        models["packed"]["dtype"] = "float16"
        asked = {
            "models": models,
            "tasks": {"include": list(TASKS)},
            "compare": {"pairs": [["full", "packed"]]},
        }
        (tmp_path / "s.json").write_text(json.dumps({**asked, **own}))
        return load_config([tmp_path / "s.json"], root=root).study

    return make


@pytest.fixture
def values(tmp_path):
    """Model -> task -> attribution [2, 6], and selectivity; the second task is left out by one model."""
    rng = np.random.default_rng(0)
    kept = {}
    for model, right in (("full", (0.5, 0.9)), ("packed", (0.25, 1.0))):
        folder = tmp_path / "results" / model
        for task, share in zip(TASKS, right, strict=True):
            included = model == "full" or task == TASKS[0]
            record = {"both_correct_accuracy": share, "included": included}
            written(folder, f"baseline/{task}.json", json.dumps(record))
            kept[model, task] = rng.normal(size=(2, 6)).astype(np.float32)
            shown = kept[model, task] if included else np.zeros((0, 0), np.float32)
            save(folder, f"attribution/neurons/{task}.safetensors", attribution=shown)
            units = ((0, 1), (1, 2), (1, 3)) if model == "full" else ((1, 2), (1, 3), (1, 5))
            rows = [f"{layer},{unit},1.0,{model},w,mlp_hidden,s" for layer, unit in units]
            written(
                folder, f"masks/neurons/positive-0.1pct/{task}.csv", MASK + "\n".join(rows) + "\n"
            )
        made = card(model, n_layers=2, hidden_size=4, neurons_per_layer=6)
        made.write(folder / "model.json", {})
        kept[model] = rng.normal(size=(2, 4)).astype(np.float32)
        for network in ("language", "theory_of_mind", "multiple_demand"):
            save(folder, f"localizer/{network}/selectivity.safetensors", t=kept[model])
    return kept


def test_pairs_of_models(study_of, values, tmp_path):
    study = study_of(localizer={"networks": ["language"]}, attribution={"components": ["neurons"]})
    write_compared(study, "compared.csv", "each.csv", results=tmp_path / "results")
    each = pd.read_csv(tmp_path / "each.csv")
    assert tuple(each.columns) == EACH and set(zip(each["one"], each["other"], strict=True)) == {
        ("full", "packed")
    }
    found = {(row["measure"], row["of"]): row["value"] for row in each.to_dict("records")}
    task = TASKS[0]
    ranks = spearmanr(values["full", task].ravel(), values["packed", task].ravel())[0]
    correlation = np.corrcoef(values["full"].ravel(), values["packed"].ravel())[0, 1]
    assert found == {
        ("accuracy_difference", TASKS[0]): pytest.approx(-0.25),
        ("accuracy_difference", TASKS[1]): pytest.approx(0.1),
        ("rank_correlation", task): pytest.approx(ranks),
        ("jaccard", task): pytest.approx(0.5),
        ("localizer_correlation", "language"): pytest.approx(correlation),
    }
    table = pd.read_csv(tmp_path / "compared.csv").set_index("measure")
    assert tuple(table.reset_index().columns[:1]) == ("measure",) and set(COLUMNS) == {
        *table.columns,
        "measure",
    }
    difference = table.loc["accuracy_difference"]
    assert (difference["n"], difference["unit"]) == (2, "tasks")
    assert difference["value"] == pytest.approx(-0.075)
    # Of two tasks, a resample in four has the one or the other alone.
    assert (difference["low"], difference["high"]) == (pytest.approx(-0.25), pytest.approx(0.1))
    assert (
        pd.isna(table.loc["jaccard", "low"])
        and table.loc["localizer_correlation", "unit"] == "localizers"
    )


def test_models_of_different_shapes(study_of, values, tmp_path):
    save(
        tmp_path / "results/packed",
        f"attribution/neurons/{TASKS[0]}.safetensors",
        attribution=np.zeros((3, 6), np.float32),
    )
    study = study_of(localizer={"networks": []}, attribution={"components": ["neurons"]})
    with pytest.raises(UserError) as caught:
        write_compared(study, "compared.csv", "each.csv", results=tmp_path / "results")
    assert str(caught.value).splitlines() == [
        "compare.pairs: full and packed have 2 x 6 and 3 x 6 units (compare models of the same shape)"
    ]
    assert not (tmp_path / "compared.csv").exists()


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([["full", "paked"]], "compare.pairs: no model 'paked' (did you mean 'packed'?)"),
        ([["full"]], "compare.pairs: 'full' is no pair of models (e.g. [full, quantised])"),
        ([["full", "packed"]] * 2, "compare.pairs: holds the same entry twice"),
    ],
)
def test_pairs_that_are_none(study_of, pairs, why):
    with pytest.raises(UserError) as caught:
        study_of(compare={"pairs": pairs})
    assert why in str(caught.value)


def test_the_report_shows_the_means(study_of, values, tmp_path):
    study = study_of(localizer={"networks": ["language"]}, attribution={"components": ["neurons"]})
    results = tmp_path / "results"
    (results / "statistics").mkdir()
    written = [str(results / "statistics" / name) for name in ("compared.csv", "each.csv")]
    write_compared(study, *written, results=results)
    part = compared_part(SimpleNamespace(study=study, results=results, called=str.upper))
    (table,) = part.tables
    assert table.source == "statistics/compared.csv"
    assert list(table.rows[0]) == [
        "FULL, PACKED",
        "difference of accuracy",
        "all answers",
        "\u22120.075 [\u22120.250, 0.100]",
        "2 tasks",
    ]
    assert [row[1] for row in table.rows[1:]] == [
        "rank correlation of attribution scores",
        "shared units of circuits (Jaccard)",
        "correlation of selectivity",
    ]
    none = study_of(compare={"pairs": []})
    assert compared_part(SimpleNamespace(study=none, results=results, called=str)) is None
