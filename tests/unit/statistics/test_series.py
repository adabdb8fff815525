"""results/statistics/series.csv and its figure, from files whose numbers are known."""

import json

import pandas as pd
import pytest

from brodmann.circuits.stages.faithfulness import AREAS as AREA_COLUMNS
from brodmann.config.load import load_config
from brodmann.figures.series import of_series
from brodmann.statistics.stages.series import COLUMNS, write_series

TASKS = ("formal/number_sequence", "language/npi")
LESIONS = """condition,selection,percentage,k,seed,kind,measure,task,n,value
intact,,,0,,,accuracy,language/npi,10,1.0
intact,,,0,,,perplexity,,2,5.0
lesion,top-1.0pct,1.0,3,,zero,accuracy,language/npi,10,{lesion}
random,top-1.0pct,1.0,3,42,zero,accuracy,language/npi,10,0.9
random,top-1.0pct,1.0,3,43,zero,accuracy,language/npi,10,0.7
"""
TESTS = """model,component,sel,measure,kind,n,within,cross,difference,p
run@{step},neurons,positive-0.1pct,containment,,2,0.5,0.25,0.25,0.01
run@{step},neurons,positive-1.0pct,containment,,2,0.1,0.1,0.0,0.5
run@{step},neurons,positive-0.1pct,accuracy_drop,corrupted,2,0.3,0.1,0.2,0.2
"""
AREAS = """{columns}
formal/number_sequence,own,0,positive,corrupted,8,{own},,,,,,,2,
formal/number_sequence,own,0,absolute,corrupted,8,0.1,,,,,,,1,
formal/number_sequence,random,1,,corrupted,8,0.2,,,,,,,,
formal/number_sequence,random,2,,corrupted,8,0.4,,,,,,,,
language/npi,own,0,positive,corrupted,8,0.7,,,,,,,{enough},
language/npi,random,1,,corrupted,8,0.1,,,,,,,,
language/npi,random,2,,corrupted,8,0.1,,,,,,,,
"""
CLUSTERS = """model,component,sel,measure,n,ari,p
run@{step},neurons,positive-0.1pct,containment,2,{ari},0.02
"""


@pytest.fixture
def table(tmp_path, root):
    for step in (0, 10):
        (tmp_path / "run" / str(step)).mkdir(parents=True)
        own = tmp_path / "results" / f"run@{step}"
        for task, right in zip(TASKS, (step // 10, 8), strict=True):
            path = own / "baseline" / f"{task}.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({"n_both_correct": right, "n_aligned": 10}))
        (own / "localizer/language").mkdir(parents=True)
        lesions = LESIONS.format(lesion=0.5 - step / 50)
        (own / "localizer/language/lesion.csv").write_text(lesions)
        areas = AREAS.format(
            columns=",".join(AREA_COLUMNS), own=0.9 - step / 20, enough="" if step else 5
        )
        (own / "faithfulness").mkdir()
        (own / "faithfulness/neurons.patching.areas.csv").write_text(areas)
        (own / "networks/words").mkdir(parents=True)
        told = {"identified": [True, False, step == 10]}
        (own / "networks/words/templates.json").write_text(json.dumps(told))
    for name, text in (("tests", TESTS), ("clusters", CLUSTERS)):
        head, *rows = text.splitlines()
        both = [row.format(step=step, ari=step / 10) for step in (0, 10) for row in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join([head, *both]) + "\n")
    (tmp_path / "words.txt").write_text("a b\n\nc d\n")
    config = tmp_path / "study.yaml"
    config.write_text(
        "models: {run: {source: 'path:run', series: {paths: ['0', '10'], steps: [0, 10]}}}\n"
        f"tasks: {{include: [{', '.join(TASKS)}]}}\n"
        "networks: {datasets: {words: words.txt}}\nfaithfulness: {tasks: ['*/*']}\n"
    )
    study = load_config([config], root=root).study
    out = tmp_path / "series.csv"
    tests, clusters = (f"{tmp_path}/{name}.csv" for name in ("tests", "clusters"))
    write_series(study, tests, clusters, str(out), results=tmp_path / "results")
    return out


def test_rows_of_a_series(table):
    found = pd.read_csv(table)
    assert list(found.columns) == list(COLUMNS)
    assert set(found["series"]) == {"run"} and set(found["axis"]) == {"training step"}

    def values(measure, domain=None):
        own = found[found["measure"] == measure]
        own = own[own["domain"].isna() if domain is None else own["domain"] == domain]
        assert own["step"].tolist() == [0, 10]
        return own["value"].tolist()

    assert values("accuracy") == [0.4, 0.45]
    assert values("accuracy", "formal") == [0.0, 0.1]
    assert values("overlap_within") == [0.5, 0.5] and values("overlap_cross") == [0.25, 0.25]
    assert values("drop_difference") == [0.2, 0.2]
    assert values("ari") == [0.0, 1.0]
    assert values("intact", "language") == [1.0, 1.0]
    assert values("lesion", "language") == [0.5, 0.3]
    assert values("random", "language") == [0.8, 0.8]
    assert values("identified", "words") == [1, 2]
    assert values("cpr_own") == pytest.approx([0.8, 0.55])
    assert values("cpr_random") == pytest.approx([0.2, 0.2])
    # The lower of two; of the second checkpoint one task is never enough.
    assert values("enough_percent") == [2, 2]
    sizes = found[found["measure"] == "enough_percent"]
    assert sizes["high"].tolist()[0] == 5 and sizes["high"].isna().tolist() == [False, True]
    # Resampled lists of two tasks hold one of them, the other, or both.
    ends = found[found["measure"] == "cpr_own"][["low", "high"]].to_numpy()
    assert ends.ravel() == pytest.approx([0.7, 0.9, 0.4, 0.7])
    # Wilson's interval of 8 of 20, from its formula.
    first = found[(found["measure"] == "accuracy") & found["domain"].isna()].iloc[0]
    z, n, share = 1.959963984540054, 20, 0.4
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    assert first["low"] == pytest.approx(middle - half) and first["n"] == n
    assert first["high"] == pytest.approx(middle + half)


def test_its_figure_shows_every_measure(table):
    figure, shown = of_series({"series": table}, {"component": "neurons"})
    assert len(figure.axes) == 8
    lines = {axes.get_ylabel().split("\n")[0]: axes.lines for axes in figure.axes}
    accuracy = lines["items right"][0]
    assert accuracy.get_xdata().tolist() == [0, 10]
    assert accuracy.get_ydata().tolist() == pytest.approx([0.4, 0.45])
    assert figure.axes[-1].get_xlabel() == "training step"
    assert set(shown["measure"]) >= {"accuracy", "ari", "lesion", "random", "identified"}
