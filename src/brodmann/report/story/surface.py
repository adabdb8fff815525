"""Sentences on the prompts' surface: what of the domain effect it explains."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from brodmann.report.story.findings import ALPHA, Findings
from brodmann.report.story.wording import called, interval, p_text


def confound_sentences(findings: Findings) -> Iterator[str]:
    """What of the domain effect survives the prompts' surface."""
    for drop, what in ((False, "overlap"), (True, "accuracy lost")):
        for alone, beside, within in regressions(findings, drop=drop):
            name = called(alone)
            if pd.isna(alone["coefficient"]):
                yield f"{name}, {what}: no regression on the domain was possible (too few pairs, or nothing varies)."
                continue
            text = f"{name}, {what}: same domain alone {interval(alone)} ({p_text(alone['p'])})"
            if pd.isna(beside["coefficient"]):
                yield f"{text}; surface similarity cannot be added to the regression (too few pairs, or too collinear)."
                continue
            text += f"; beside surface similarity {interval(beside)} ({p_text(beside['p'])})"
            text += f": the domain effect {verdict(alone, beside)}. "
            yield text + _within_formats(within)


def regressions(findings: Findings, *, drop: bool = False) -> Iterator[list[pd.Series]]:
    """Of each model, the coefficient of same domain: alone, beside surface similarity, within formats."""
    rows = findings.rows("confounds", drop=drop)
    rows = rows[rows["term"] == "same_domain"]
    for _, own in rows.groupby(["model", "control"], sort=False):
        by = own.set_index("predictors", drop=False)
        yield [by.loc[name] for name in ("domain", "domain_and_surface", "within_formats")]


def verdict(alone: pd.Series, beside: pd.Series) -> str:
    """By the permutation test; an interval over resampled tasks that holds 0 is said beside it."""
    if not alone["p"] < ALPHA:
        return "is not distinguishable from 0 to begin with"
    if beside["coefficient"] <= 0:
        return (
            f"is no longer positive (coefficient from {alone['coefficient']:.3f} to "
            f"{beside['coefficient']:.3f})"
        )
    if not beside["p"] < ALPHA:
        return (
            f"is no longer distinguishable from 0 ({p_text(beside['p'])}; coefficient from "
            f"{alone['coefficient']:.3f} to {beside['coefficient']:.3f})"
        )
    if beside["low"] <= 0:
        return (
            "survives the permutation test, but not the resampling of tasks (its interval holds 0)"
        )
    return "survives"


def _within_formats(row: pd.Series) -> str:
    if pd.isna(row["p"]):
        return "No surface format holds tasks of several domains, so labels cannot be shuffled within formats."
    return f"With labels shuffled within surface formats only ({int(row['n_movable'])} tasks can move): {p_text(row['p'])}."
