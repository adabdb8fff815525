"""At which tokens of a prompt units are scored.

A unit's score is the sum over some positions of (clean - corrupted activation) times gradient. In a causal
model the activations of both prompts are the same at all positions before the first token that differs; what
they would add is 0, and they are left out.
"""

from __future__ import annotations

from brodmann.circuits.estimators.interface import DIFFERING, LAST
from brodmann.runner.encode import EncodedItem


def watched(item: EncodedItem, positions: str) -> list[int]:
    """The positions of an aligned item's prompts at which its units are scored, in order; at least one.

    ``last``: the last token. ``differing``: every token that is another one in the corrupted prompt; not
    those between or after them. ``all``: every token from the first one that differs. Of two prompts that are
    the same the last token stands for all: no unit differs.
    """
    length = len(item.clean)
    if positions == LAST:
        return [length - 1]
    differ = [n for n in range(length) if item.clean[n] != item.corrupted[n]]
    if not differ:
        return [length - 1]
    return differ if positions == DIFFERING else list(range(differ[0], length))
