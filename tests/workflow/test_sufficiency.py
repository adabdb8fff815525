"""Faithfulness through the workflow: tables against naive lesions of everything but the circuit."""

import numpy as np
import pandas as pd
import pytest
from clone import SEED, TASKS
from reference import naive_lesion
from safetensors import safe_open
from test_ablations import encoded_items
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.models.load import wrap_model

FRACTIONS = [0, 10, 50, 100]
N_UNITS = 3 * 48
pytestmark = pytest.mark.slow


@pytest.fixture
def tested(study):
    config = study.config()
    config["faithfulness"] = {
        **{"tasks": TASKS[:2], "fractions": FRACTIONS, "bootstraps": 20},
        "rivals": {"rounds": 2, "percent": 5},
    }
    study.write_config(config)
    study.snakemake("sufficiency", "report")
    return study


def tables(study, ends=(".csv", ".areas.csv")):
    folder = study.path / "results/tiny/faithfulness"
    return [
        pd.read_csv(folder / f"neurons.patching{end}", keep_default_na=False, na_values=[""])
        for end in ends
    ]


def attribution(study, task):
    path = study.path / f"results/tiny/attribution/neurons/{task}.safetensors"
    with safe_open(path, "numpy") as file:
        return file.get_tensor("attribution").reshape(-1)


def naive(study, model, task, kept):
    """The faithfulness of a circuit, in plain transformers: everything else is corrupted, unit by unit."""
    units = [divmod(n, 48) for n in range(N_UNITS) if n not in set(kept)]
    items = encoded_items(study, model, task)
    scores = [naive_lesion(model, item, "neurons", units, "corrupted") for item in items]
    metric = np.mean([right - wrong for right, wrong in scores])
    own = study.baseline(task)
    return (metric - own["corrupted_baseline"]) / (
        own["clean_baseline"] - own["corrupted_baseline"]
    )


def test_curves_and_areas(tested):
    curves, areas = tables(tested)
    model = wrap_model(tiny_model("llama", SEED), tiny_tokenizer(), name="tiny")
    task = TASKS[0]
    own = curves[(curves["task"] == task) & (curves["sign"] == "positive")]
    # The task's own order, and that of another task, whose circuits are tried on this task's items.
    for source, order in ((task, "own"), (TASKS[1], TASKS[1])):
        ranked = np.argsort(-attribution(tested, source), kind="stable").tolist()
        rows = own[own["order"] == order].sort_values("fraction")
        assert rows["fraction"].tolist() == FRACTIONS
        assert rows["n_units"].tolist() == [0, 14, 72, 144]
        expected = [naive(tested, model, task, ranked[:n]) for n in rows["n_units"]]
        assert rows["faithfulness"].tolist() == pytest.approx(expected, abs=1e-4)
        assert expected[-1] == pytest.approx(1, abs=1e-4) and abs(expected[0] - 1) > 1e-2
        [line] = areas[
            (areas["task"] == task) & (areas["order"] == order) & (areas["sign"] == "positive")
        ].to_dict("records")
        shares = np.array(FRACTIONS) / 100
        means = (np.array(expected[1:]) + expected[:-1]) / 2
        assert line["cpr"] == pytest.approx((np.diff(shares) * means).sum(), abs=1e-4)
        away = np.abs(1 - np.array(expected))
        area = (np.diff(shares) * (away[1:] + away[:-1]) / 2).sum()
        assert line["cmd"] == pytest.approx(area, abs=1e-4)
        # In some of the lists that are drawn, an untrained model may have no contrast.
        assert not line["cpr_low"] > line["cpr_high"]
    # All orders end with the intact model, and begin with the same.
    for percent in (0, 100):
        ends = curves[(curves["task"] == task) & (curves["fraction"] == percent)]
        assert ends["faithfulness"].nunique() == 1
    groups = curves[curves["task"] == task].groupby(["order", "sign"], dropna=False).size()
    assert len(groups) == 2 * (1 + 1 + 2) + 1 and set(groups) == {len(FRACTIONS)}


def test_rivals_are_as_many_rounds_and_the_first_is_the_tasks_circuit(tested):
    [rivals] = tables(tested, ends=(".rivals.csv",))
    model = wrap_model(tiny_model("llama", SEED), tiny_tokenizer(), name="tiny")
    assert rivals["task"].tolist() == [task for task in TASKS[:2] for _ in range(3)]
    assert rivals["round"].tolist() == [0, 1, 2] * 2 and rivals["n_units"].max() == 7
    own = np.argsort(-attribution(tested, TASKS[0]), kind="stable")[:7].tolist()
    others = [n for n in range(N_UNITS) if n not in own]
    first = rivals.iloc[0]
    assert first["faithfulness"] == pytest.approx(naive(tested, model, TASKS[0], own), abs=1e-4)
    assert first["without"] == pytest.approx(naive(tested, model, TASKS[0], others), abs=1e-4)
    assert rivals["next_best"].isna().tolist() == [True, False, False] * 2
    assert rivals["same_layers"].dropna().between(0, 1).all()
    page = (tested.path / "results/report.html").read_text()
    assert "Is a circuit enough?" in page and "Is it the only circuit?" in page
    assert "mueller2025mib" in (tested.path / "results/methods.bib").read_text()


def test_what_is_known_is_not_measured_again(tested):
    before = len(tested.ledger())
    [entry] = [one for one in tested.ledger() if one["stage"] == "faithfulness"]
    rivals = tables(tested, ends=(".rivals.csv",))[0]
    # Per task: nothing, everything, and two sizes of nine orders, some of which may be equal.
    assert entry["model_loads"] == 1 and 2 * 14 <= entry["circuits"] <= 2 * 20
    config = tested.config()
    config["faithfulness"] |= {"fractions": [0, 10, 20, 50, 100], "bootstraps": 10}
    tested.write_config(config)
    tested.snakemake("sufficiency")
    new = tested.ledger()[before:]
    assert [one["stage"] for one in new] == ["faithfulness"]
    assert 1 <= new[0]["circuits"] <= 2 * 9
    tested.snakemake("sufficiency")
    assert len(tested.ledger()) == before + 1
    # Of fewer tasks nothing is run, and rows of the others go.
    config["faithfulness"] |= {"tasks": TASKS[:1]}
    tested.write_config(config)
    tested.snakemake("sufficiency")
    assert tested.ledger()[-1]["circuits"] == 0
    assert set(tables(tested)[0]["task"]) == {TASKS[0]}
    again = tables(tested, ends=(".rivals.csv",))[0]
    assert again["faithfulness"].tolist() == rivals["faithfulness"].tolist()[: len(again)]
