"""Tables and matrices as the stages write them."""

import numpy as np
import pandas as pd

from brodmann.store.tables import read_matrix, write_matrix, write_table


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
