"""Matrices of others are read or refused in clear lines; averages are what one gets by hand."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brodmann.errors import UserError
from brodmann.statistics.matrices import average, jaccard_of, kept_tasks, read_foreign_matrix
from brodmann.store.tables import read_matrix, write_matrix
from brodmann.tasks.catalogue import sort_key

TASKS = ["language/npi", "language/wug", "formal/add", "physical/speed", "social/agent"]


@pytest.fixture
def write(tmp_path):
    def run(content):
        path = tmp_path / "m.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return run


def problems_of(path, low=0.0, **more):
    with pytest.raises(UserError) as caught:
        read_foreign_matrix(path, low=low, **more)
    lines = [str(problem) for problem in caught.value.problems]
    assert all("\n" not in line and str(path) in line for line in lines)
    return lines


# Reading


def test_labels_become_ours_and_axes_our_order(write):
    path = write(
        "source\\target,ToM/agent,phys/physics_speed,MD/code_A,Lan/npi\n"
        "Lan/npi,0.1,0.2,0.3,1\n"
        "ToM/agent,1,0.4,0.5,0.6\n"
        "MD/code_A,0.7,0.8,1,0.9\n"
        "phys/physics_speed,0.01,1,0.02,0.03\n"
    )
    table = read_foreign_matrix(path, low=0)
    tasks = ["language/npi", "formal/code_arithmetic", "physical/speed", "social/agent"]
    assert list(table.index) == list(table.columns) == tasks
    assert table.loc["language/npi"].tolist() == [1, 0.3, 0.2, 0.1]
    assert table["language/npi"].tolist() == [1, 0.9, 0.03, 0.6]


def test_our_own_labels_are_read_too(write):
    table = read_foreign_matrix(write(",social/agent\nsocial/agent,1\n"), low=0)
    assert table.loc["social/agent", "social/agent"] == 1


def test_overlaps_are_the_same_in_both_directions(write):
    cells = ",Lan/npi,MD/add,ToM/agent\nLan/npi,1,0.2,\nMD/add,{},1,0.3\nToM/agent,0.9,0.3,1\n"
    [said] = problems_of(write(cells.format(0.25)), symmetric=True)
    assert "language/npi with formal/add is 0.2, the other way round 0.25" in said
    # Rounded shares are, and what is missing in one direction cannot be compared.
    path = write(cells.format(0.2004))
    assert (
        read_foreign_matrix(path, low=0, symmetric=True).loc["formal/add", "language/npi"] == 0.2004
    )


def test_empty_cells_are_missing_and_so_is_a_task_of_one_axis(write):
    path = write(",Lan/npi,MD/add\nLan/npi,, NaN \nToM/agent,0.5,nan\n")
    table = read_foreign_matrix(path, low=0)
    assert list(table.index) == ["language/npi", "formal/add", "social/agent"]
    expected = np.full((3, 3), np.nan)
    expected[2, 0] = 0.5
    np.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf,Lan/npi,MD/add\r\nLan/npi,1,0.5\r\nMD/add,0.5,1\r\n",
        b",Lan/npi,MD/add\n\nLan/npi,1,0.5\n\nMD/add,0.5,1\n\n",
        b'"","Lan/npi","MD/add"\n"Lan/npi","1",".5"\n"MD/add"," 5e-1",1',
        b'\xef\xbb\xbf"", Lan/npi,MD/add \nLan/npi ,1,0.5\n MD/add,0.5,1.0004\n',
    ],
    ids=["BOM and CRLF", "blank lines", "quotes", "spaces and rounding"],
)
def test_however_a_spreadsheet_writes_it(write, text):
    table = read_foreign_matrix(write(text), low=0)
    assert list(table.index) == ["language/npi", "formal/add"]
    np.testing.assert_allclose(table, [[1, 0.5], [0.5, 1]], atol=5e-4)


def test_every_problem_is_named_at_once(write):
    path = write(
        ",Lan/npi,Lna/wug,Lan/npi,ToM/../x\n"
        "Lan/npi,1,2,x,-0.1\n"
        "MD/add,0.1\n"
        "Lan/npi,1,1,1,inf\n"
        "agent,1,1,1,1\n"
    )
    lines = problems_of(path)
    expected = [
        "column 'Lna/wug': is not domain/task (domains: language, formal, physical, social",
        "column 'Lan/npi': 'language/npi' is there twice",
        "column 'ToM/../x': is not domain/task",
        "row 'Lan/npi': 'language/npi' is there twice",
        "row 'agent': is not domain/task",
        "row 'Lan/npi', column 'Lna/wug': 2.0 is outside [0, 1]",
        "row 'Lan/npi', column 'Lan/npi': 'x' is not a number",
        "row 'Lan/npi', column 'ToM/../x': -0.1 is outside [0, 1]",
        "row 'MD/add': has 1 values, the header names 4",
        "row 'Lan/npi', column 'ToM/../x': inf is outside [0, 1]",
    ]
    assert len(lines) == len(expected)
    for line, part in zip(lines, expected, strict=True):
        assert part in line


@pytest.mark.parametrize(
    "label",
    ["ToM/../x", "../ToM", "/etc/passwd", "ToM/", "ToM", "", "ToM/a/b", "ToM/.x", "ToM/a b"],
)
def test_a_label_cannot_leave_its_folder(write, label):
    (line,) = problems_of(write(f",{label}\n"))
    assert f"column '{label}': is not domain/task" in line


def test_two_names_of_one_task_are_a_duplicate(write):
    (line,) = problems_of(write(",phys/speed,phys/physics_speed\nphys/speed,1,1\n"))
    assert "'physical/speed' is there twice" in line


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b",Lan/npi\nLan/npi,\xff\n", "is not UTF-8 text"),
        ("Lan/npi".encode("utf-16"), "is not UTF-8 text"),
        (b",Lan/npi;MD/add\nLan/npi;1\n", "is not domain/task"),
        (b'{"a": 1}', "is not domain/task"),
        (b",Lan/npi\nLan/npi,1,2\n", "has 2 values, the header names 1"),
        (b",Lan/npi\nLan/npi\n", "has 0 values, the header names 1"),
        (b',Lan/npi\nLan/npi,"0,5"\n', "'0,5' is not a number"),
        (b",Lan/npi\nLan/npi," + b"1" * 200_000, "is not CSV: field larger than field limit"),
    ],
)
def test_what_is_no_matrix_is_refused(write, content, what):
    path = write(content)
    if content == b'{"a": 1}':  # a header without columns, no rows: one label that is none
        path = write(b'{"a": 1},x')
    assert any(what in line for line in problems_of(path))


def test_a_file_that_cannot_be_read(tmp_path):
    assert "cannot be read: No such file" in problems_of(tmp_path / "none.csv")[0]
    assert "cannot be read: Is a directory" in problems_of(tmp_path)[0]


def test_drops_may_be_negative_but_not_below_minus_one(write):
    text = ",Lan/npi\nLan/npi,{}\n"
    assert read_foreign_matrix(write(text.format(-1)), low=-1).iloc[0, 0] == -1
    assert "-1.1 is outside [-1, 1]" in problems_of(write(text.format(-1.1)), low=-1)[0]


cells = st.one_of(st.just(float("nan")), st.floats(0, 1, allow_subnormal=False))


@st.composite
def matrices(draw, values=cells):
    tasks = draw(st.lists(st.sampled_from(TASKS), unique=True))
    n = len(tasks)
    flat = draw(st.lists(values, min_size=n * n, max_size=n * n))
    tasks = sorted(tasks, key=sort_key)
    return pd.DataFrame(np.reshape(np.array(flat, float), (n, n)), tasks, tasks)


@settings(max_examples=40, deadline=None)
@given(matrices(), st.randoms(use_true_random=False))
def test_any_matrix_survives_the_way_there_and_back(tmp_path_factory, table, random):
    """Shuffled axes, published names, written by the csv module: the same table comes back."""
    theirs = {"language": "Lan", "formal": "MD", "physical": "phys", "social": "ToM"}
    rows, columns = list(table.index), list(table.index)
    random.shuffle(rows)
    random.shuffle(columns)

    def label(task):
        domain, name = task.split("/")
        return f"{theirs[domain]}/{name}"

    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(["source\\target", *map(label, columns)])
    for row in rows:
        values = [table.loc[row, column] for column in columns]
        out.writerow([label(row), *("" if np.isnan(v) else repr(float(v)) for v in values)])
    path = tmp_path_factory.mktemp("round") / "m.csv"
    path.write_text(text.getvalue())
    found = read_foreign_matrix(path, low=0)
    assert list(found.index) == list(found.columns) == list(table.index)
    np.testing.assert_array_equal(found.to_numpy(), table.to_numpy())
    write_matrix(path, found)
    again = read_matrix(path)
    assert list(again.index) == list(table.index)
    np.testing.assert_allclose(again.to_numpy(float), table.to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(read_foreign_matrix(path, low=0), table, rtol=1e-9)


# Jaccard


@settings(max_examples=60, deadline=None)
@given(st.lists(st.permutations(range(12)), min_size=1, max_size=5), st.integers(1, 12))
def test_jaccard_of_sets_of_one_size(orders, k):
    sets = [set(order[:k]) for order in orders]
    contained = pd.DataFrame([[len(a & b) / k for b in sets] for a in sets])
    expected = [[len(a & b) / len(a | b) for b in sets] for a in sets]
    np.testing.assert_allclose(jaccard_of(contained), expected, rtol=1e-12)


def test_jaccard_of_two_empty_circuits_is_nan():
    """As of our own: GPT-2's published matrix has tasks without a circuit (0 on the diagonal)."""
    contained = pd.DataFrame([[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0] * 4, [0] * 4])
    nan = np.nan
    expected = [[1, 1 / 3, 0, 0], [1 / 3, 1, 0, 0], [0, 0, nan, nan], [0, 0, nan, nan]]
    np.testing.assert_allclose(jaccard_of(contained), expected)
    missing = pd.DataFrame([[1, nan], [nan, 1]])
    np.testing.assert_array_equal(jaccard_of(missing), missing)


# Averages


def frame(values, tasks):
    return pd.DataFrame(np.array(values, dtype=float), tasks, tasks)


def test_an_average_by_hand():
    nan = np.nan
    a = frame([[1, 0.2], [0.4, nan]], ["social/agent", "language/npi"])
    b = frame(
        [[1, nan, 0], [0.5, 1, nan], [0, 0, nan]], ["language/npi", "formal/x", "social/agent"]
    )
    mean, count = average({"a": a, "b": b})
    tasks = ["language/npi", "formal/x", "social/agent"]
    for table in (mean, count):
        assert list(table.index) == list(table.columns) == tasks
    np.testing.assert_array_equal(mean, [[1, nan, 0.2], [0.5, 1, nan], [0.1, 0, 1]])
    np.testing.assert_array_equal(count, [[1, 0, 2], [1, 1, 0], [2, 1, 1]])


def test_a_cell_that_no_model_has_is_empty_in_the_file(tmp_path):
    table = frame([[1, np.nan], [0.5, 1]], ["language/npi", "formal/x"])
    mean, count = average({"a": table})
    write_matrix(tmp_path / "mean.csv", mean)
    write_matrix(tmp_path / "count.csv", count)
    assert (tmp_path / "mean.csv").read_text().splitlines() == [
        ",language/npi,formal/x",
        "language/npi,1,",
        "formal/x,0.5,1",
    ]
    assert (tmp_path / "count.csv").read_text().splitlines()[1] == "language/npi,1,0"


def test_globs_leave_tasks_out():
    tasks = ["language/npi", "physical/material", "physical/spatial", "physical/speed"]
    assert kept_tasks(tasks, []) == tasks
    assert kept_tasks(tasks, ["physical/material"]) == [tasks[0], *tasks[2:]]
    assert kept_tasks(tasks, ["*/s*"]) == tasks[:2]
    assert kept_tasks(tasks, ["physical"]) == tasks
    mean, count = average({"a": frame(np.eye(4), tasks)}, ["physical/m*", "nothing/*"])
    assert list(mean.index) == list(count.columns) == [tasks[0], *tasks[2:]]
    mean, _ = average({"a": frame(np.eye(4), tasks)}, ["*"])
    assert mean.shape == (0, 0)


def test_of_no_models_nothing_is_left():
    mean, count = average({})
    assert mean.shape == count.shape == (0, 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(matrices(), min_size=1, max_size=4))
def test_averages_are_means_of_what_is_there(tables):
    before = [table.copy() for table in tables]
    mean, count = average({str(n): table for n, table in enumerate(tables)})
    union = {task for table in tables for task in table.index}
    assert list(mean.index) == sorted(union, key=sort_key)
    for a in mean.index:
        for b in mean.columns:
            found = [t.loc[a, b] for t in tables if a in t.index and b in t.index]
            found = [value for value in found if not np.isnan(value)]
            assert count.loc[a, b] == len(found)
            expected = np.mean(found) if found else np.nan
            np.testing.assert_allclose(mean.loc[a, b], expected, rtol=1e-12)
    for table, was in zip(tables, before, strict=True):
        pd.testing.assert_frame_equal(table, was)
    # One more copy of every model changes nothing but the counts.
    twice, counts = average({str(n): table for n, table in enumerate([*tables, *tables])})
    np.testing.assert_allclose(twice, mean, rtol=1e-12)
    np.testing.assert_array_equal(counts, 2 * count)
