"""Samples of a dataset on the Hugging Face hub: ``ORG/NAME[:CONFIG][:SPLIT]`` and the column with the text.

The ``datasets`` package is no dependency of brodmann; who uses this source installs it. Where the hub can be
reached, rows are streamed, so that the first hundreds of a huge dataset cost little; offline
(``HF_HUB_OFFLINE=1``), the dataset must be in the cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from brodmann.errors import UserError, did_you_mean
from brodmann.stimuli.texts import encodable, plain

_FORM = "hf:ORG/NAME[:CONFIG][:SPLIT][#COLUMN]"
_OFFLINE = "load it once where there is a network, or save its texts as .jsonl"
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def require_package(where: str) -> Any:
    """The hub's own package, if it is there."""
    try:
        import datasets
    except ImportError:
        fix = "install it with: pip install datasets"
        raise UserError.at(where, "needs the package 'datasets'", fix) from None
    return datasets


@dataclass(frozen=True)
class HubDataset:
    """What ``hf:...`` names; ``config`` None is the dataset's only or default one."""

    name: str
    config: str | None
    split: str
    column: str

    @classmethod
    def parse(cls, text: str) -> HubDataset:
        """From what follows ``hf:``."""
        address, _, column = text.partition("#")
        name, *parts = address.split(":")
        if not _NAME.fullmatch(name) or len(parts) > 2:
            raise UserError.at(f"hf:{plain(text)}", "not the name of a dataset", f"write {_FORM}")
        config, split = [*parts, "", ""][:2]
        return cls(name, config or None, split or "train", column or "text")

    def samples(self) -> Iterator[str]:
        """The texts of the column, in the dataset's order."""
        where = f"hf:{self.name}"
        for row in self._rows(where):
            if self.column not in row:
                what = f"no column '{plain(self.column)}'"
                raise UserError.at(where, what, did_you_mean(self.column, row))
            text = row[self.column]
            if not isinstance(text, str) or not encodable(text):
                raise UserError.at(where, f"column '{plain(self.column)}' does not hold text")
            yield text

    def _rows(self, where: str) -> Iterator[dict[str, Any]]:
        datasets = require_package(where)
        offline = bool(getattr(datasets.config, "HF_HUB_OFFLINE", False))
        try:
            # No remote code: current versions of datasets have none, and older ones ask for it.
            yield from datasets.load_dataset(
                self.name, self.config, split=self.split, streaming=not offline
            )
        except Exception as error:  # whatever hub, cache and formats come up with
            if isinstance(error, UserError):
                raise
            reason = plain(f"{type(error).__name__}: {str(error).strip()}")
            # A ValueError is a wrong name of a split or config, and says itself which there are.
            fix = "" if isinstance(error, ValueError) else _OFFLINE
            raise UserError.at(where, f"cannot be loaded: {reason}", fix) from None
