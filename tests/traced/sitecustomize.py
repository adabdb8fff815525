"""Lets coverage go on after nnsight: ``make coverage`` puts this folder on PYTHONPATH, for every process.

To skip the body of a ``with model.trace(...)``, nnsight takes the trace function away, and puts it back
within its own ``__exit__``. So coverage.py sees calls end that it did not see begin, goes back to a caller
for each of them, and notes nothing of what that caller does from then on. Here they begin for it, too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, TracebackType
from typing import Any

TRACER = "nnsight.tracing.tracer"


def balance(tracer: type[Any], skipped: type[BaseException]) -> None:
    """Change ``tracer``, nnsight's class; ``skipped`` ends the body and holds the trace function."""
    own = tracer.__exit__

    def leave(
        self: Any,
        kind: type[BaseException] | None,
        error: Any,
        traceback: TracebackType | None,
    ) -> bool:
        if kind is skipped and error.displaced is not None:
            # All that runs between the block and here began without a trace function, and will end with one.
            frame, block = sys._getframe(), self.info.frame
            while frame is not None and frame is not block:
                sys.settrace(error.displaced)
                _begin()
                frame = frame.f_back
            sys.settrace(error.displaced)
        return bool(own(self, kind, error, traceback))

    tracer.__exit__ = leave


def _begin() -> None:
    """A call that is seen to begin and not to end."""
    sys.settrace(None)


class Finder(MetaPathFinder):
    """Changes nnsight when it is imported: most processes never do."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of nnsight's module alone, once."""
        if name != TRACER:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                balance(module.Tracer, module.ExitTracingException)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Finder())
