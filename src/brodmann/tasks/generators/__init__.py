"""Generators: functions that make the contents of a task's items instead of a lexicon.

A generator is registered under its name with the slots that it fills::

    @generator(slots=("expression",), conditions=("operators",))
    def arithmetic(dice: Dice, *, operands: int = 2, ...) -> Iterator[Content]:

It yields contents for ever, or until there are no more. Equal ones may recur: the expansion drops them.
Arguments it cannot work with are a ValueError whose message is for the author of the task file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from brodmann.tasks.dice import Dice


@dataclass(frozen=True)
class Content:
    """What one item is about: the values of the slots in the clean and in the corrupted problem.

    ``answers`` are (right after clean, right after corrupted), or one answer for a single-answer task.
    ``unit`` names the independent content, for ``TaskItems.groups``. ``conditions`` are what a frame's
    ``when`` may ask for (an operator, say): the same on both sides of the pair.
    """

    clean: Mapping[str, str]
    corrupted: Mapping[str, str]
    answers: tuple[str, ...]
    unit: str
    conditions: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Generator:
    """A registered function, the slots it fills and the conditions it states."""

    function: Callable[..., Iterator[Content]]
    slots: tuple[str, ...]
    conditions: tuple[str, ...]

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """The arguments a task file may set, by name."""
        parameters = list(inspect.signature(self.function).parameters.items())
        return dict(parameters[1:])  # the first one is the dice

    def contents(self, dice: Dice, arguments: Mapping[str, object]) -> Iterator[Content]:
        """Start the generator."""
        return self.function(dice, **arguments)


_REGISTRY: dict[str, Generator] = {}


def generator(
    *, slots: tuple[str, ...], conditions: tuple[str, ...] = ()
) -> Callable[[Callable[..., Iterator[Content]]], Callable[..., Iterator[Content]]]:
    """Register the decorated function under its own name."""

    def register(function: Callable[..., Iterator[Content]]) -> Callable[..., Iterator[Content]]:
        _REGISTRY[function.__name__] = Generator(function, slots, conditions)
        return function

    return register


_TRIES = 20_000


def endless(draw: Callable[[], Content | None]) -> Iterator[Content]:
    """The contents that ``draw`` makes, its failures (None) left out.

    A draw that fails very often in a row is taken to have nothing (more) to give.
    """
    some = False
    while True:
        for _ in range(_TRIES):
            content = draw()
            if content is not None:
                some = True
                yield content
                break
        else:
            if not some:
                raise ValueError("nothing meets these limits")
            return


def require_some(
    argument: str, given: Sequence[str], known: Iterable[str], sep: str = ", "
) -> None:
    """A ValueError unless ``given`` names some of ``known``, and nothing else."""
    if not given or any(name not in known for name in given):
        raise ValueError(f"{argument} must be some of {sep.join(known)}, found {list(given)!r}")


def require_whole(argument: str, given: object, low: int, high: int) -> None:
    """A ValueError unless ``given`` is a whole number within these bounds."""
    if not isinstance(given, int) or isinstance(given, bool) or not low <= given <= high:
        raise ValueError(f"{argument} must be a whole number from {low} to {high}, found {given!r}")


def generators() -> dict[str, Generator]:
    """All generators by name."""
    # Imported here because each of these modules imports the decorator from this one.
    from brodmann.tasks.generators import code, logic, numbers  # noqa: F401

    return dict(_REGISTRY)
