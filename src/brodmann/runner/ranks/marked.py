"""Marks functions that all ranks of a model run at the same time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def on_all_ranks(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function of a model, or a method of what has one, which runs the model. Arguments by place.

    Where the model is shared by several processes, all of them run it; else nothing changes.
    """

    @functools.wraps(function)
    def run(*args: P.args, **named: P.kwargs) -> R:
        model: Any = getattr(args[0], "model", args[0])
        ranks: Any = getattr(model, "ranks", None)
        if ranks is None or ranks.inside:
            return function(*args, **named)
        assert not named
        found: R = ranks.run(function, args)
        return found

    return run


@contextmanager
def entered(
    function: Callable[..., AbstractContextManager[Any]], model: Any, *arguments: Any
) -> Iterator[None]:
    """The context ``function(model, *arguments)``, a function of a module, entered by all ranks."""
    ranks: Any = getattr(model, "ranks", None)
    if ranks is None or ranks.inside:
        with function(model, *arguments):
            yield
        return
    _enter(model, f"{function.__module__}:{function.__qualname__}", *arguments)
    try:
        yield
    finally:
        leave(model)


_open: list[AbstractContextManager[Any]] = []  # that this rank is in


@on_all_ranks
def _enter(model: Any, name: str, *arguments: Any) -> None:
    context = find(name)(model, *arguments)
    context.__enter__()
    _open.append(context)


@on_all_ranks
def leave(model: Any) -> None:
    """The end of a context that all ranks are in."""
    _open.pop().__exit__(None, None, None)


def find(name: str) -> Any:
    """A function by ``module:qualified name``."""
    module, _, path = name.partition(":")
    return functools.reduce(getattr, path.split("."), import_module(module))
