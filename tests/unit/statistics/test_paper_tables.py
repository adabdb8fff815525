"""The tables that a paper prints: what stands in them, and what is left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brodmann.errors import UserError
from brodmann.statistics.printed import (
    Printing,
    between,
    decimals,
    latex_text,
    percent,
    show_p,
    without_lonely_average,
)
from brodmann.statistics.registry import STATISTICS, printed_files
from brodmann.statistics.stages.modularity import MODULARITY, modularity_table
from brodmann.statistics.stages.structure_function import structure_function_table
from brodmann.statistics.study_tables import table as table_of
from brodmann.statistics.study_tables import write_printed


def modular(**other):
    return {
        **{"model": "one", "control": False, "component": "neurons", "sel": "s", "kind": np.nan},
        **{"measure": "containment", "n": 4, "within": 0.2, "cross": 0.1, "ratio": 2.0},
        **{"p": 0.01, "q": 0.02},
        **other,
    }


def test_nothing_is_tested_where_all_cells_are_zero():
    table = pd.DataFrame([modular(), modular(model="two", within=0.0, cross=0.0, ratio=np.nan)])
    [printed] = modularity_table(table, "s")
    assert printed.rows[0][-2:] == ("0.0100", "0.0200")
    assert printed.rows[1][2:] == ("0.0", "0.0", "–", "–", "–")
    assert r"\label{tab:modularity-overlap-containment-of-neurons}" in printed.latex()
    assert "Benjamini" in printed.markdown() and "Benjamini" in printed.latex()


def function(note, **other):
    return {
        **{"model": "one", "control": False, "component": "neurons", "sel": "s", "kind": "zero"},
        **{"measure": "containment", "n": 12, "coefficient": 0.02, "low": 0.01, "high": 0.03},
        **{"p": 0.001, "q": 0.002, "converged": True, "note": note, "spearman": 0.3},
        **{"spearman_low": 0.1, "spearman_high": 0.5, "mantel_p": 0.01, "mantel_q": 0.01},
        **{
            "least_squares": 0.02,
            "resampled_low": -0.01,
            "resampled_high": 0.05,
            "without_alike": 0.01,
        },
        **other,
    }


def test_intervals_of_fits_that_did_not_converge_are_left_out():
    table = pd.DataFrame(
        [
            function(np.nan),
            function("the search for the variances did not converge", model="two", converged=False),
            function("", model="three"),
        ]
    )
    table.loc[2, "converged"] = False
    [printed] = structure_function_table(table, "s")
    assert [(row[3], *row[7:9]) for row in printed.rows] == [
        ("[1.0, 3.0]", "0.0010", "0.0020"),
        ("–", "–", "–"),
        ("–", "–", "–"),
    ]
    # Of least squares, which always converge.
    assert {row[4:7] for row in printed.rows} == {("2.0", "[−1.0, 5.0]", "1.0")}
    assert printed.rows[1][9:] == ("0.30", "[0.10, 0.50]", "0.0100", "0.0100")


def test_ablations_are_printed_at_their_own_size(tmp_path):
    rows = [modular(), modular(sel="t", measure="accuracy_drop", kind="zero", within=0.4)]
    source, output = str(tmp_path / "modularity.csv"), str(tmp_path / "modularity.md")
    pd.DataFrame(rows, columns=MODULARITY).to_csv(source, index=False)
    write_printed([source], [output], "s", "t")
    text = Path(output).read_text(encoding="utf-8")
    assert "20.0" in text and "40.0" in text and "zero ablation of neurons, t" in text


def test_every_table_that_says_how_it_is_printed_is_printed():
    names = [name for name in STATISTICS if table_of(name).printed]
    assert names == [
        *("modularity", "domain_modularity", "threshold_robustness"),
        *("structure_function", "confounds"),
    ]
    folder = "results/statistics/tables"
    both = [f"{folder}/{name}.{ending}" for name in names for ending in ("md", "tex")]
    assert printed_files() == both


def test_another_table_in_its_place_is_refused(tmp_path):
    source, output = tmp_path / "modularity.csv", tmp_path / "modularity.md"
    source.write_text("1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"modularity\.csv: no column 'model'"):
        write_printed([str(source)], [str(output)], "s", "t")
    assert not output.exists()


def test_numbers_as_papers_print_them():
    assert [show_p(p) for p in (0.04996, 1e-4, 0.99e-4, 0, 1, np.nan)] == [
        *("0.0500", "0.0001", "<0.0001", "<0.0001", "1.0000", "–"),
    ]
    assert [decimals(2)(value) for value in (1.238, -0.5, np.nan)] == ["1.24", "−0.50", "–"]
    assert [percent(share) for share in (0.1234, -0.005, 1)] == ["12.3", "−0.5", "100.0"]
    assert between(1)(-0.26, 1.04) == "[−0.3, 1.0]"
    assert between(1)(np.nan, 1) == between(1)(0, np.nan) == "–"
    assert latex_text("a_b & 5 % < ~^{x}\\") == (
        r"a\_b \& 5 \% \textless{} \textasciitilde{}\textasciicircum{}\{x\}\textbackslash{}"
    )


def test_the_average_of_one_model_is_not_printed_beside_it():
    """Controls are in no average."""
    rows = [modular(), modular(model="average"), modular(model="untrained", control=True)]
    alone = without_lonely_average(pd.DataFrame(rows))
    assert alone["model"].tolist() == ["one", "untrained"]
    several = without_lonely_average(pd.DataFrame([*rows, modular(model="two")]))
    assert several["model"].tolist() == ["one", "average", "untrained", "two"]


def test_a_row_of_a_control_says_so_and_a_bar_does_not_part_cells():
    table = pd.DataFrame([modular(model="a|b"), modular(model="untrained", control=True)])
    [printed] = modularity_table(table, "s")
    assert [row[0] for row in printed.rows] == ["a|b", "untrained (control)"]
    lines = printed.markdown().splitlines()
    assert lines[4].startswith("| a\\|b | ") and lines[3].count("---") == len(printed.heads)
    assert printed.latex().count("&") == 3 * (len(printed.heads) - 1)
    assert r"\begin{tabular}{l" + "r" * (len(printed.heads) - 1) + "}" in printed.latex()


def test_columns_of_directions_are_printed_for_ablations_only():
    """A table for each component, measure and kind, in the order of the rows; q is explained where it is."""
    shown = {"within": ("within", percent), "out": ("cross", percent)}
    printing = Printing(
        "toy", "{what} at {selection} ({sign})", shown, "Note.", only_drops=("out",)
    )
    drop = {"measure": "accuracy_drop", "kind": "zero"}
    rows = [modular(**drop), modular(), modular(model="two", **drop), modular(component="heads")]
    rows += [modular(sel="t"), modular(measure="jaccard")]
    found = printing(pd.DataFrame(rows), "s")
    assert [one.caption for one in found] == [
        "zero ablation of neurons at s (s)",
        "overlap (containment) of neurons at s (s)",
        "overlap (containment) of heads at s (s)",
    ]
    assert [one.heads for one in found] == [("model", "within", "out"), *[("model", "within")] * 2]
    assert found[0].rows == (("one", "20.0", "10.0"), ("two", "20.0", "10.0"))
    assert found[1].rows == (("one", "20.0"),) and {one.note for one in found} == {"Note."}
    assert found[0].label == "toy-zero-ablation-of-neurons"
