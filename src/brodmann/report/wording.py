"""Numbers and names as sentences have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brodmann.numerals import power_of_ten
from brodmann.statistics.inventory import ALL, AVERAGE
from brodmann.statistics.printed import percent, show_p

Row = Mapping[str, Any]  # of a table


def called(row: Row) -> str:
    """A model's name at the start of a sentence."""
    if row["model"] == AVERAGE:
        number = row.get("n_models")
        return f"On average over {'' if pd.isna(number) else f'{int(number)} '}models"
    if row["model"] == ALL:
        return "Over all models"
    return f"{row['model']} (control)" if row["control"] else str(row["model"])


def called_cell(row: Row) -> str:
    """The same in a cell of a table."""
    if row["model"] in (AVERAGE, ALL):
        number = row.get("n_models")
        what = "average" if row["model"] == AVERAGE else "all models"
        return what if pd.isna(number) else f"{what} ({int(number)})"
    return f"{row['model']} (control)" if row["control"] else str(row["model"])


def listed(words: Iterable[object]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    texts = [str(word) for word in words]
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def share(value: float) -> str:
    """A share in per cent."""
    return percent(value) if pd.isna(value) else f"{percent(value)} %"


def points(value: float) -> str:
    """A difference of shares, in percentage points."""
    return percent(value)


def points_between(row: Row, column: str) -> str:
    """The same with the interval of its row."""
    between = "" if pd.isna(row["low"]) else f" [{points(row['low'])}, {points(row['high'])}]"
    return f"{points(row[column])}{between}"


def times(value: float) -> str:
    """How many times as large: ``× 1.02``, ``× 850``, ``× 1.5 × 10⁶``."""
    if pd.isna(value):
        return "–"
    return f"× {value:.2f}" if value < 10 else f"× {big(value).removesuffix('.0')}"


def p_text(p: float, letter: str = "p") -> str:
    """``p = 0.0123`` or ``p < 0.0001``."""
    shown = show_p(p)
    return f"{letter} < {shown[1:]}" if shown.startswith("<") else f"{letter} = {shown}"


def big(value: float) -> str:
    """A perplexity in as many digits as it deserves: ``35.0``, ``5,127``, ``1.5 × 10⁶``."""
    if not np.isfinite(value):
        return "infinity" if value > 0 else "–"
    if value < 1e6:
        return f"{value:,.1f}" if value < 1e3 else f"{value:,.0f}"
    digits, _, power = f"{value:.2g}".partition("e")
    return f"{digits} × {power_of_ten(int(power))}"


def nothing_shared(row: Row) -> bool:
    """Whether all cells within and across are 0: there is no difference that a test could be about."""
    return bool(row["within"] == 0 and row["cross"] == 0)


def draws_text(perplexities: pd.Series) -> str:
    """``33.0 to 35.5 (2 draws)``: what random units cost."""
    ends = dict.fromkeys([big(perplexities.min()), big(perplexities.max())])
    number = len(perplexities)
    return f"{' to '.join(ends)} ({number} {'draw' if number == 1 else 'draws'})"


def numbered(word: str, numbers: Sequence[object]) -> str:
    """``seed 0``, ``seeds 0, 1 and 2``."""
    return f"{word}{'' if len(numbers) == 1 else 's'} {listed(numbers)}"


def massive_text(held: pd.DataFrame) -> str:
    """``11: dimension 507 (layers 11, 17 to 26)``; none. ``held``: layers and units."""
    if held.empty:
        return "none"
    parts = [
        f"dimension {int(unit)} ({spans(own['layer'].astype(int))})"
        for unit, own in held.groupby("unit")
    ]
    return f"{len(held)}: {'; '.join(parts)}"


def spans(layers: Iterable[int]) -> str:
    """``layer 3``, ``layers 11, 17 to 26``."""
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    shown = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"layer{'s' if sum(map(len, runs)) > 1 else ''} {', '.join(shown)}"
