"""Packages that are installed, but not with all that they import: said in one line, not in a traceback.

transformers imports some packages merely because they are there, mistral-common for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from types import TracebackType

from brodmann.errors import Problem

# What loads a model; an ImportError that starts here says for itself what it wants.
_OURS = ("brodmann", "transformers", "torch", "nnsight", "importlib", "transformers_modules")


def broken_package(error: BaseException, where: str) -> Problem | None:
    """The problem behind an ImportError that was raised within a package of others, else None."""
    if not isinstance(error, ImportError):
        return None
    modules = [name.partition(".")[0] for name in _modules(error.__traceback__)]
    if not modules or modules[-1] in _OURS:
        return None
    owners = metadata.packages_distributions().get(modules[-1]) or [modules[-1]]
    package = owners[0]
    return Problem(
        where,
        f"the installed package {package} cannot be imported: {error}",
        f"complete it: pip install {package}; or, if you do not need it, remove it: pip uninstall {package}",
    )


def _modules(traceback: TracebackType | None) -> Iterator[str]:
    """Names of the modules that an error passed through, from the outermost to where it was raised."""
    while traceback is not None:
        name = traceback.tb_frame.f_globals.get("__name__", "")
        if not traceback.tb_frame.f_code.co_filename.startswith("<frozen"):
            yield name
        traceback = traceback.tb_next
