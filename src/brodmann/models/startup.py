"""Import transformers' model code without the parts that no model of ours runs.

Half of the time that ``transformers.modeling_utils`` takes to import goes to torch's compiler, its
distributed tensors and scipy's optimisers. transformers needs them for compiled, sharded and
object-detection models; brodmann runs one process, eagerly, on language models. A job is short, and
would pay these seconds each time.

``lean_imports`` makes transformers take, while its model code is imported, the paths that it takes
on a machine without scipy and on a torch built without ``torch.distributed``: both are supported
set-ups. The compiler's decorators, which mark functions for a compiler that is never started, do
nothing meanwhile. Numbers do not change, and whoever imports the real compiler later gets it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
# Asked by transformers' modules when they are imported, to decide what they import themselves.
_ABSENT = ("is_scipy_available", "is_torch_distributed_available")


@contextmanager
def lean_imports() -> Iterator[None]:
    """Import (and build) transformers models inside this block, for a process that starts quickly.

    Does nothing where it would come too late (the model code is imported already), or where this
    process is one of several that share a model.
    """
    too_late = "transformers.modeling_utils" in sys.modules
    shared = int(os.environ.get("WORLD_SIZE") or 1) > 1
    if too_late or shared:
        yield
        return
    import transformers.utils
    import transformers.utils.import_utils

    asked = (transformers.utils, transformers.utils.import_utils)
    truths = [(module, name, getattr(module, name)) for module in asked for name in _ABSENT]
    stand_in = _install_stand_in()
    for module, name, _ in truths:
        setattr(module, name, _no)
    try:
        yield
    finally:
        for module, name, truth in truths:
            setattr(module, name, truth)
        if stand_in is not None:
            _remove_stand_in(stand_in)


def _no() -> bool:
    return False


def _install_stand_in() -> ModuleType | None:
    """Put a nearly empty package in the compiler's place; None if the compiler is there already.

    Its ``__path__`` is the real one, so that light submodules are found and imported for real,
    without the package's own ``__init__``, which would import all of it. Code that asks it for more
    than a decorator (a model that compiles a part of itself) makes it give way to the real one.
    """
    import torch

    if _COMPILER in sys.modules:
        return None
    spec = importlib.util.find_spec(_COMPILER)
    if spec is None or spec.submodule_search_locations is None:
        return None
    stand_in = ModuleType(_COMPILER, "Stands in for torch's compiler while model code is imported.")
    stand_in.__spec__ = spec
    stand_in.__path__ = list(spec.submodule_search_locations)
    for decorator in ("disable", "allow_in_graph", "assume_constant_result"):
        setattr(stand_in, decorator, _unchanged)

    def from_the_real_one(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _remove_stand_in(stand_in)
        return getattr(importlib.import_module(_COMPILER), name)

    stand_in.__getattr__ = from_the_real_one
    sys.modules[_COMPILER] = stand_in
    torch._dynamo = stand_in
    return stand_in


def _remove_stand_in(stand_in: ModuleType) -> None:
    """Give the name back, so that the next import of the compiler gets the real one."""
    import torch

    if sys.modules.get(_COMPILER) is stand_in:
        del sys.modules[_COMPILER]
    if torch.__dict__.get("_dynamo") is stand_in:
        del torch._dynamo


def _unchanged(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    """A decorator, with or without arguments, that decorates nothing."""
    return function if function is not None else _unchanged
