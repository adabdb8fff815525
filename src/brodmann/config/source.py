"""Where a config comes from: its files, in which line each key stands, how files combine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from brodmann.errors import UserError
from brodmann.tasks.yaml_source import PlainLoader, read_nodes

KeyPath = tuple[Any, ...]


def dotted(path: KeyPath) -> str:
    """``models.smollm2.source``; list entries as ``tasks.include[1]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


@dataclass
class ConfigSource:
    """The config files in the order in which they apply (later ones win).

    ``lines`` maps a key path to ``FILE:LINE``; a key that is in no file came from ``--config``.
    """

    files: list[Path] = field(default_factory=list)
    lines: dict[KeyPath, tuple[str, int]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The file that a problem without a line is attributed to."""
        return str(self.files[-1]) if self.files else "--config"

    def base(self, path: KeyPath) -> Path:
        """The folder that a relative path is relative to: that of the file its key stands in."""
        if path in self.lines:
            return Path(self.lines[path][0]).resolve().parent
        return self.files[-1].resolve().parent if self.files else Path.cwd()

    def where(self, path: KeyPath) -> str:
        """``config.yaml:12: models.smollm2.source`` for an error message."""
        if path in self.lines:
            file, line = self.lines[path]
            return f"{file}:{line}: {dotted(path)}"
        ancestors = (path[:n] for n in range(len(path) - 1, 0, -1))
        file = next((self.lines[a][0] for a in ancestors if a in self.lines), self.label)
        return f"{file}: {dotted(path)}" if path else file

    def order(self, where: str) -> tuple[str, int, str]:
        """Sort key that puts problems in the order of the lines they stand in."""
        file, _, rest = where.partition(":")
        line = rest.partition(":")[0]
        return (file, int(line) if line.isdigit() else 0, where)

    def add(self, path: str | Path) -> dict[str, Any]:
        """Read one YAML file, note its lines, and return its content."""
        path = Path(path)
        content, root, _ = read_nodes(path, PlainLoader)
        if content is None:
            content = {}
        if not isinstance(content, dict):
            raise UserError.at(str(path), "expected a mapping of keys, e.g. 'models:'")
        self.files.append(path)
        if root is not None:
            self._note(root, (), str(path), set())
        return content

    def _note(self, node: yaml.Node, path: KeyPath, file: str, visited: set[int]) -> None:
        """Note the lines of all keys below ``node``; what is shared by aliases, once."""
        if id(node) in visited:
            return
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise UserError.at(
                        f"{file}:{line}: {dotted((*path, key.value))}",
                        f"the key stands twice, first in line {seen[key.value]}",
                        "keep one",
                    )
                seen[key.value] = line
                self.lines[(*path, key.value)] = (file, line)
                self._note(value, (*path, key.value), file, visited)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.lines[(*path, index)] = (file, value.start_mark.line + 1)
                self._note(value, (*path, index), file, visited)


def merge(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the keys of ``override`` laid over it, mapping by mapping."""
    merged = dict(base)
    for key, value in override.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged
