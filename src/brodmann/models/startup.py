"""Start quickly: import and build models without what no model of ours runs.

Half of the time that transformers' model code takes to import goes to torch's compiler, its
distributed tensors and scipy's optimisers. transformers has them for compiled, sharded and
object-detection models; brodmann runs one process, eagerly, on language models, unless several share
one. A job is short, and would pay these seconds each time. No number changes by leaving them out, and
whoever asks for them later gets them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
# What transformers imports of the compiler, and what works without the rest of it.
_LIGHT = frozenset({"torch._dynamo._trace_wrapped_higher_order_op"})
# What transformers' modules ask, while they are imported, to decide what they import themselves.
_ABSENT = ("is_scipy_available", "is_torch_distributed_available")
# What models of all families share; the families' own modules are imported when one is loaded.
_MODEL_CODE = (
    "transformers.modeling_utils",
    "transformers.masking_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.pipelines",
    "nnsight.modeling.transformers",
)


def import_model_code() -> None:
    """Import transformers' model code and nnsight, the short way where it is possible.

    transformers takes the paths that it takes on a machine without scipy and on a torch built
    without ``torch.distributed``: both are supported set-ups.
    """
    too_late = "transformers.modeling_utils" in sys.modules
    shared = int(os.environ.get("WORLD_SIZE") or 1) > 1  # one of several that share a model
    if too_late or shared:
        _import_all()
        return
    import transformers.utils
    import transformers.utils.import_utils

    asked = (transformers.utils, transformers.utils.import_utils)
    truths = [(module, name, getattr(module, name)) for module in asked for name in _ABSENT]
    for module, name, _ in truths:
        setattr(module, name, _no)
    try:
        with without_compiler():
            _import_all()
    finally:
        for module, name, truth in truths:
            setattr(module, name, truth)


def _import_all() -> None:
    for module in _MODEL_CODE:
        importlib.import_module(module)


def _no() -> bool:
    return False


@contextmanager
def without_compiler() -> Iterator[None]:
    """Inside, a stand-in answers for torch's compiler, if that is not imported yet.

    Its decorators, which mark functions for a compiler that is never started, do nothing. Code that
    asks for more (a model that compiles a part of itself, a package such as torchvision that imports a
    module of the compiler) makes it give way to the real one.
    """
    import torch

    spec = importlib.util.find_spec(_COMPILER) if _COMPILER not in sys.modules else None
    if spec is None or spec.submodule_search_locations is None:
        yield
        return
    stand_in = ModuleType(_COMPILER, "Stands in for torch's compiler while models are built.")
    stand_in.__spec__ = spec
    # The real path: light modules are found and imported for real, without the package's own __init__,
    # which would import all of it.
    stand_in.__path__ = list(spec.submodule_search_locations)
    for decorator in ("disable", "allow_in_graph", "assume_constant_result"):
        setattr(stand_in, decorator, _unchanged)
    real_compile = torch.compile

    def give_way() -> None:
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]
        if torch.__dict__.get("_dynamo") is stand_in:
            del torch._dynamo
        torch.compile = real_compile

    def answer(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        give_way()
        return getattr(importlib.import_module(_COMPILER), name)

    def compile_for_real(*args: Any, **options: Any) -> Any:
        give_way()
        return real_compile(*args, **options)

    stand_in.__getattr__ = answer
    finder = _ModulesOfTheCompiler(give_way)
    sys.meta_path.insert(0, finder)
    sys.modules[_COMPILER] = torch._dynamo = stand_in
    torch.compile = compile_for_real
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        give_way()


class _ModulesOfTheCompiler:
    """Finds modules of the compiler that is a stand-in still: none but the light ones run without the rest.

    When one is asked for, the compiler itself is imported first, and the module with it. (If the module ran
    first, it would ask the stand-in for its neighbours, and be half imported when the compiler needs it.)
    """

    def __init__(self, give_way: Callable[[], None]) -> None:
        self.give_way = give_way

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        """What Python's import asks first; None leaves it to the usual finders."""
        if not name.startswith(f"{_COMPILER}.") or name in _LIGHT:
            return None
        self.give_way()
        importlib.import_module(_COMPILER)
        found = sys.modules.get(name)
        return None if found is None else ModuleSpec(name, _Imported(found))


class _Imported:
    """Loads a module that was imported while it was looked for: hands it over as it is."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, _: ModuleSpec) -> ModuleType:
        """The module itself, not a second one."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """It has run; only its spec, which Python has replaced, is put back."""
        module.__spec__ = self.spec


def _unchanged(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    """A decorator, with or without arguments, that decorates nothing."""
    return function if function is not None else _unchanged
