"""What a terminal shows of what is written to it: the control codes that brodmann writes, no others."""

from __future__ import annotations

import re

_CODE = re.compile(r"\033\[(\??)(\d*)([A-Za-z])")


class TerminalModel:
    """``columns`` by ``rows``; what goes out at the top is kept."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.screen = [[" "] * columns for _ in range(rows)]
        self.above: list[str] = []
        self.row = self.column = 0
        self.wraps = True

    def write(self, text: str) -> None:
        """Text with control codes."""
        place = 0
        while place < len(text):
            if code := _CODE.match(text, place):
                self._obey(*code.groups())
                place = code.end()
                continue
            self._put(text[place])
            place += 1

    def lines(self) -> list[str]:
        """All that was ever shown and not wiped out, without empty lines at the end."""
        shown = [*self.above, *("".join(row).rstrip() for row in self.screen)]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def _put(self, one: str) -> None:
        assert one != "\033", "a code that this model does not know"
        if one == "\r":
            self.column = 0
        elif one == "\n":
            self._down()
        else:
            if self.column == self.columns:
                if self.wraps:
                    self.column = 0
                    self._down()
                else:
                    self.column -= 1
            self.screen[self.row][self.column] = one
            self.column += 1

    def _down(self) -> None:
        if self.row < self.rows - 1:
            self.row += 1
        else:
            self.above.append("".join(self.screen.pop(0)).rstrip())
            self.screen.append([" "] * self.columns)

    def _obey(self, private: str, number: str, letter: str) -> None:
        code = private + number + letter
        if code in ("?7l", "?7h"):
            self.wraps = code == "?7h"
        elif letter == "A":
            self.row = max(0, self.row - int(number))
        elif code in ("K", "J"):
            column = min(self.column, self.columns - 1)
            self.screen[self.row][column:] = [" "] * (self.columns - column)
            if code == "J":
                for below in range(self.row + 1, self.rows):
                    self.screen[below] = [" "] * self.columns
        else:
            raise AssertionError(f"a code that this model does not know: {code}")
