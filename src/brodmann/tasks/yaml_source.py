"""Task files as YAML: plain data only, and a key written twice is an error, not a silent loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from brodmann.errors import Problem, UserError

_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc,valid-type]
    """The safe loader, noting keys that a mapping repeats."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated: list[tuple[int, str]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                self.repeated.append((key.start_mark.line + 1, key.value))
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file; every error names the file and, where known, the line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError.at(str(path), "the file does not exist") from None
    except UnicodeDecodeError:
        raise UserError.at(str(path), "not a UTF-8 text file") from None
    loader = None
    try:
        loader = _Loader(text)
        value = loader.get_single_data()
    except yaml.constructor.ConstructorError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise UserError.at(
            f"{path}:{line}",
            f"not plain data: {error.problem}",
            "write text, numbers and lists only",
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserError.at(where, f"not valid YAML: {getattr(error, 'problem', error)}") from None
    finally:
        if loader is not None:
            loader.dispose()
    if loader.repeated:
        raise UserError(
            *(
                Problem(
                    f"{path}:{line}", f"the key '{key}' stands twice in one mapping", "keep one"
                )
                for line, key in sorted(set(loader.repeated))
            )
        )
    return value
