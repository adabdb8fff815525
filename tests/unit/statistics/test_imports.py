"""Results-only models: folders in both layouts, and tables of accuracies."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from brodmann.circuits.overlap import doubly_stochastic
from brodmann.errors import UserError
from brodmann.models.results_folder import ResultsFolder
from brodmann.statistics.stages.imports import (
    import_accuracies,
    import_drop,
    import_overlap,
    read_accuracy_table,
)
from brodmann.store.tables import read_matrix, read_table, write_matrix

TASKS = ["language/npi", "formal/x", "social/agent"]
OVERLAP = pd.DataFrame([[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]], TASKS, TASKS)


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


# Folders


def test_the_published_layout(tmp_path):
    touch(
        tmp_path,
        "overlap/positive_0.1pct_overlap.csv",
        "overlap/positive_0.1pct_overlap_doubly_stochastic.csv",
        "overlap/positive_1pct_overlap.csv",
        "overlap/negative_5.0pct_overlap.csv",
        "overlap/positive_5e-05pct_overlap.csv",
        "overlap/notes.csv",
        "overlap/postive_0.1pct_overlap.csv",
        "ablation_analysis/positive_0.1pct_corrupted_accuracy.csv",
        "ablation_analysis/positive_0.1pct_zero_accuracy.csv",
        "ablation_analysis/positive_0.1pct_corrupted_score.csv",
    )
    found = ResultsFolder.scan(tmp_path)
    assert {key: path.name for key, path in found.overlaps.items()} == {
        ("neurons", "positive-0.1pct"): "positive_0.1pct_overlap.csv",
        ("neurons", "positive-1.0pct"): "positive_1pct_overlap.csv",
        ("neurons", "negative-5.0pct"): "negative_5.0pct_overlap.csv",
        ("neurons", "positive-5e-05pct"): "positive_5e-05pct_overlap.csv",
    }
    assert set(found.drops) == {
        ("neurons", "positive-0.1pct", "corrupted"),
        ("neurons", "positive-0.1pct", "zero"),
    }
    assert found.baselines == {}


def test_our_layout(tmp_path):
    touch(
        tmp_path,
        "overlap/neurons/positive-0.1pct.containment.csv",
        "overlap/neurons/positive-0.1pct.jaccard.csv",
        "overlap/heads/absolute-1.0pct.containment.csv",
        "overlap/neurons/positive-0.1pct.reliability.csv",
        "ablation/heads/positive-0.1pct.mean.accuracy_drop.csv",
        "ablation/heads/positive-0.1pct.mean.accuracy_drop.count.csv",
        "ablation/neurons/positive-0.1pct.forecast.csv",
        "baseline/language/npi.json",
        "baseline/social/agent.json",
    )
    found = ResultsFolder.scan(tmp_path)
    assert set(found.overlaps) == {("neurons", "positive-0.1pct"), ("heads", "absolute-1.0pct")}
    assert set(found.drops) == {("heads", "positive-0.1pct", "mean")}
    assert list(found.baselines) == ["language/npi", "social/agent"]


def test_an_empty_folder_holds_nothing(tmp_path):
    found = ResultsFolder.scan(tmp_path)
    assert (found.overlaps, found.drops, found.baselines) == ({}, {}, {})


# Matrices


def imported(tmp_path, source):
    outputs = {
        measure: str(tmp_path / "out" / f"{measure}.csv")
        for measure in ("containment", "jaccard", "doubly_stochastic")
    }
    import_overlap(str(source), outputs)
    return {measure: read_matrix(path) for measure, path in outputs.items()}


def test_other_measures_are_computed_from_published_containments(tmp_path):
    source = tmp_path / "positive_0.1pct_overlap.csv"
    theirs = [
        f"{domain}/{task.split('/')[1]}"
        for domain, task in zip(("Lan", "MD", "ToM"), TASKS, strict=True)
    ]
    write_matrix(source, OVERLAP.set_axis(theirs).set_axis(theirs, axis=1).iloc[::-1])
    found = imported(tmp_path, source)
    pd.testing.assert_frame_equal(found["containment"], OVERLAP)
    np.testing.assert_allclose(found["jaccard"], OVERLAP / (2 - OVERLAP))
    np.testing.assert_allclose(found["doubly_stochastic"], doubly_stochastic(OVERLAP)[0])
    np.testing.assert_allclose(found["doubly_stochastic"].sum(), 1, atol=1e-6)


def test_measures_of_ours_are_taken_as_they_are(tmp_path):
    source = tmp_path / "positive-0.1pct.containment.csv"
    write_matrix(source, OVERLAP)
    own = OVERLAP * 0.5
    write_matrix(tmp_path / "positive-0.1pct.jaccard.csv", own)
    found = imported(tmp_path, source)
    pd.testing.assert_frame_equal(found["jaccard"], own)
    np.testing.assert_allclose(found["doubly_stochastic"], doubly_stochastic(OVERLAP)[0])


def test_a_task_that_cannot_be_scaled_is_named(tmp_path, caplog):
    source = tmp_path / "positive_0.1pct_overlap.csv"
    lone = OVERLAP.copy()
    lone.loc["language/npi", TASKS[1:]] = lone.loc[TASKS[1:], "language/npi"] = 0
    write_matrix(source, lone)
    with caplog.at_level(logging.WARNING):
        found = imported(tmp_path, source)["doubly_stochastic"]
    assert "language/npi cannot be scaled" in caplog.text
    assert found.loc["language/npi"].isna().all() and found.iloc[1, 2] == 1


def test_drops_keep_their_direction(tmp_path):
    drop = pd.DataFrame([[0.9, -0.1, np.nan], [0.2, 0.8, 0.3], [0, 0, 1]], TASKS, TASKS)
    write_matrix(tmp_path / "in.csv", drop)
    import_drop(str(tmp_path / "in.csv"), str(tmp_path / "out.csv"))
    pd.testing.assert_frame_equal(read_matrix(tmp_path / "out.csv"), drop)


# Accuracies


def problems_of(path, column):
    with pytest.raises(UserError) as caught:
        read_accuracy_table(path, column)
    return [str(problem) for problem in caught.value.problems]


def test_a_table_in_per_cent_becomes_shares_of_our_tasks(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(
        b"\xef\xbb\xbfDomain,Task,One,Two,Mean\r\nLanguage,npi,99.8,1,\r\nMD,code_A,50,,\r\n"
        b"Physics,physics_speed,0,1,\r\nToM,agent,100,1,\r\nSocial,norm_moral,,1,\r\n"
    )
    found = read_accuracy_table(path, "One")
    assert list(found) == [
        *("language/npi", "formal/code_arithmetic", "physical/speed", "social/agent"),
        "social/norm_moral",
    ]
    assert list(found.values())[:4] == pytest.approx([0.998, 0.5, 0, 1])
    assert np.isnan(found["social/norm_moral"])


def test_the_published_table(reference):
    table = reference / "accuracy_table_both_correct.csv"
    found = read_accuracy_table(table, "Llama-3.1-70B")
    assert len(found) == 46
    assert found["language/subject_verb_agreement"] == pytest.approx(0.055)


def test_what_is_wrong_with_a_table_is_said_at_once(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("Domain,Task,One\nLanguage,npi,x\nLanguag,wug,101\nSocial,agent,-1\nMD,a,inf\n")
    lines = problems_of(path, "One")
    assert len(lines) == 5
    for line, part in zip(
        lines,
        [
            ":2: 'x' is not a number",
            ":3: unknown domain 'Languag' (did you mean 'language'?)",
            ":3: 101 is not between 0 and 100",
            ":4: -1 is not between",
            ":5: inf is not between",
        ],
        strict=True,
    ):
        assert part in line


def test_rows_that_are_no_tasks_or_there_twice_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "Domain,Task,One\nLanguage,../x,1\nLanguage,,1\nMD,code_A,1\nMD,code_arithmetic,2\n"
    )
    lines = problems_of(path, "One")
    assert [line.partition(":")[2].partition(":")[0] for line in lines] == ["2", "3", "5"]
    assert "'../x' is not a task's name" in lines[0]
    assert "'formal/code_arithmetic' is there twice" in lines[2]


def test_a_missing_column_is_named_with_the_likely_one(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("Domain,Tasks,One\nLanguage,npi,1\n")
    lines = problems_of(path, "Oen")
    assert "no column 'Task' (did you mean 'Tasks'?)" in lines[0]
    assert "no column 'Oen' (did you mean 'One'?)" in lines[1]
    path.write_text("Domain,Task,One\n")
    assert read_accuracy_table(path, "One") == {}
    path.write_text("")
    assert len(problems_of(path, "One")) == 3


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["not text", "missing"])
def test_a_table_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "t.csv"
    if content:
        path.write_bytes(content)
    (line,) = problems_of(path, "One")
    assert "cannot be read as CSV" in line and "\n" not in line


def test_accuracies_come_from_a_table_or_baselines_or_are_none(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("Domain,Task,One\nSocial,agent,50\nLanguage,npi,25\n")
    out = tmp_path / "accuracy.csv"
    import_accuracies(str(out), table=(str(table), "One"), baselines={})
    assert out.read_text() == "task,both_correct_accuracy\nlanguage/npi,0.25\nsocial/agent,0.5\n"
    shares = {"formal/x": 0.125, "language/npi": None}
    baselines = {}
    for task, share in shares.items():
        baselines[task] = str(tmp_path / f"{task.replace('/', '-')}.json")
        with open(baselines[task], "w") as file:
            json.dump({"both_correct_accuracy": share}, file)
    import_accuracies(str(out), table=None, baselines=baselines)
    assert out.read_text() == "task,both_correct_accuracy\nlanguage/npi,\nformal/x,0.125\n"
    import_accuracies(str(out), table=None, baselines={})
    assert read_table(out).empty


@pytest.mark.parametrize("text", ["[1]", '{"both_correct_accuracy": "high"}', "{"])
def test_a_baseline_that_is_none_is_a_clear_error(tmp_path, text):
    path = tmp_path / "npi.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"npi\.json"):
        import_accuracies(
            str(tmp_path / "out.csv"), table=None, baselines={"language/npi": str(path)}
        )
