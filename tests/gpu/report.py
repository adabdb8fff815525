"""What the check found: lines of a table, and a JSON file that is written anew after every section."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OK, MISSED = "ok", "MISSED"


@dataclass(frozen=True)
class Line:
    """One figure. ``target`` says in words what is wanted, ``met`` whether it is so (None: nothing is)."""

    section: str
    what: str
    value: float | int | str
    unit: str = ""
    target: str = ""
    met: bool | None = None

    @property
    def text(self) -> str:
        """For the table."""
        shown = self.value
        if isinstance(shown, float):
            small = 0 < abs(shown) < 0.01
            shown = (
                f"{shown:.1e}" if small else f"{shown:,.3g}" if shown < 1000 else f"{shown:,.0f}"
            )
        verdict = "" if self.met is None else OK if self.met else MISSED
        wanted = f"{self.target} {verdict}".strip()
        return f"{self.section:<12} {self.what:<66} {shown!s:>12} {self.unit:<9} {wanted}".rstrip()


class Report:
    """Collects lines; ``folder`` gets check.json, check.txt, and what sections leave there."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder = folder
        self.facts = facts
        self.lines: list[Line] = []
        self.sections: dict[str, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        section: str,
        what: str,
        value: float | int | str,
        unit: str = "",
        *,
        least: float | None = None,
        most: float | None = None,
    ) -> None:
        """A figure, and what it should at least, or at most, be."""
        target, met = "", None
        if least is not None or most is not None:
            ends = ((">=", least), ("<=", most))
            target = ", ".join(f"{sign} {end:g}" for sign, end in ends if end is not None)
            met = (least is None or float(value) >= least) and (
                most is None or float(value) <= most
            )
        line = Line(section, what, value, unit, target, met)
        self.lines.append(line)
        print(line.text, flush=True)

    def end(self, section: str, seconds: float, error: str = "") -> None:
        """A section is over; ``error`` is its traceback, if it broke off."""
        self.sections[section] = {"seconds": round(seconds, 1), "error": error}
        if error:
            print(error, flush=True)
            last = error.strip().splitlines()[-1][:150]
            self.lines.append(Line(section, f"broke off: {last}", "error", met=False))
        self.write()

    @property
    def failed(self) -> bool:
        """Whether a section broke off or a target was missed."""
        return any(line.met is False for line in self.lines)

    @property
    def table(self) -> str:
        """All lines."""
        return "\n".join(line.text for line in self.lines)

    def write(self) -> None:
        """As JSON and as text; a run that is killed leaves what was found until then."""
        found = {
            "facts": self.facts,
            "sections": self.sections,
            "lines": [_finite(asdict(line)) for line in self.lines],
        }
        for name, text in (("check.json", json.dumps(found, indent=1)), ("check.txt", self.table)):
            temporary = self.folder / f"{name}.part"
            temporary.write_text(text + "\n", encoding="utf-8")
            os.replace(temporary, self.folder / name)


def _finite(line: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN."""
    value = line["value"]
    return (
        {**line, "value": str(value)}
        if isinstance(value, float) and not math.isfinite(value)
        else line
    )
