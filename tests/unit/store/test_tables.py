"""Tables and matrices as the stages write them."""

import numpy as np
import pandas as pd
import pytest

from brodmann.errors import UserError
from brodmann.store.tables import read_matrix, read_table, write_frame, write_matrix, write_table


def test_a_table_is_what_pandas_would_write(tmp_path):
    rows = [
        {"n": 3, "task": "language/a", "value": np.float64(1) / 3, "note": 'a, "b"'},
        {"n": 4, "task": "", "value": float("nan"), "note": ""},
        {"n": 5, "task": "x", "value": 1.0, "note": "-"},
        {"n": 6, "task": "y", "value": 1e-17, "note": "-"},
    ]
    columns = ("task", "n", "value", "note")
    for some in (rows, []):
        write_table(tmp_path / "t.csv", some, columns)
        expected = pd.DataFrame(some, columns=list(columns)).to_csv(
            index=False, float_format="%.10g", lineterminator="\n"
        )
        assert (tmp_path / "t.csv").read_text() == expected


def test_a_matrix_survives(tmp_path):
    table = pd.DataFrame([[1.0, float("nan")], [0.25, 2.0]], index=["a", "b"], columns=["a", "b"])
    write_matrix(tmp_path / "m.csv", table)
    assert (tmp_path / "m.csv").read_text().splitlines()[0] == ",a,b"
    pd.testing.assert_frame_equal(read_matrix(tmp_path / "m.csv"), table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",a,b\na,1,2\nc,3,4\n", "its rows are not labelled as its columns"),
        (",a,b\nb,1,2\na,3,4\n", "its rows are not labelled as its columns"),
        (",a,b\na,1,2\n", "its rows are not labelled as its columns"),
        (",a,a\na,1,2\na,3,4\n", "its rows are not labelled as its columns"),
        (",a,b\na,1,x\nb,3,4\n", "cannot be read: could not convert string to float"),
        (",a,b\na,1\nb,3,4\n", "its lines differ in length"),
    ],
)
def test_what_is_no_matrix_gets_a_line(tmp_path, text, message):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_matrix(path)
    assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_table_comes_back_with_names_as_text_and_gaps_as_nan(tmp_path):
    """A model may be called what pandas takes for a gap or a number."""
    names = ["NA", "null", "001", "1e5"]
    table = pd.DataFrame({"model": names, "value": [1.5, np.nan, -2e-7, 3.0], "n": [1, 2, 3, 4]})
    write_frame(tmp_path / "t.csv", table)
    found = read_table(tmp_path / "t.csv", ["n", "model"])
    assert found["model"].tolist() == names
    np.testing.assert_array_equal(found["value"], table["value"])
    assert found["n"].tolist() == [1, 2, 3, 4] and found["n"].dtype == np.int64
    with pytest.raises(UserError, match="no column 'p'"):
        read_table(tmp_path / "t.csv", ["n", "p", "q"])
    write_table(tmp_path / "empty.csv", [], ("model", "value"))
    assert read_table(tmp_path / "empty.csv").empty


@pytest.mark.parametrize("column", ["model", "other", "label", "dataset", "dataset_a", "dataset_b"])
def test_names_that_are_all_numbers_stay_names(tmp_path, column):
    write_frame(tmp_path / "t.csv", pd.DataFrame({column: ["001", "1e5"], "n": [1, 2]}))
    assert read_table(tmp_path / "t.csv")[column].tolist() == ["001", "1e5"]


def test_what_a_row_does_not_have_is_an_empty_cell(tmp_path):
    write_table(tmp_path / "t.csv", [{"a": 1}, {"b": 2.0, "c": 3}], ("b", "a"))
    assert (tmp_path / "t.csv").read_text() == "b,a\n,1\n2,\n"
