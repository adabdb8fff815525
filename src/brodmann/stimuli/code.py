"""Code samples: functions of the standard library, read where it is installed.

Nothing of it is shipped: what is read is the source of the Python that runs. Its text differs between
versions of Python, and so does the corpus; the hash of the samples tells.
"""

from __future__ import annotations

import ast
import sysconfig
import textwrap
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from brodmann.errors import UserError

COUNT = 240
PER_MODULE = 6
LINES = (8, 40)
CHARACTERS = (240, 1400)  # some 60 to 400 tokens

# Written in Python, and there in 3.11, 3.12 and 3.13.
MODULES = """
    argparse ast base64 bdb calendar cmd code codeop collections colorsys compileall configparser
    contextlib copy csv dataclasses difflib dis doctest email.header email.message email.utils enum
    filecmp fileinput fnmatch fractions ftplib functools getopt gettext glob graphlib gzip heapq
    html.parser http.client http.cookies imaplib inspect ipaddress json.decoder json.encoder linecache
    locale logging mailbox mimetypes netrc optparse os pdb pickle pickletools pkgutil platform plistlib
    poplib posixpath pprint profile pstats pydoc queue quopri random sched selectors shelve shlex
    shutil smtplib socketserver statistics string subprocess tabnanny tarfile tempfile textwrap
    threading timeit tokenize trace traceback types typing unittest.case unittest.loader unittest.util
    urllib.parse urllib.request uuid warnings wave weakref webbrowser xml.dom.minidom
    xml.etree.ElementTree xmlrpc.client zipapp
"""


def code_samples(stdlib: Path | None = None) -> tuple[str, ...]:
    """``COUNT`` functions and methods, a few per module, in an order that mixes the modules.

    The order is by the hash of their names: what a new version of Python adds or takes away moves no other.
    """
    folder = stdlib or Path(sysconfig.get_path("stdlib"))
    found: dict[str, str] = {}
    for module in MODULES.split():
        functions = dict(_functions(module, _source(folder, module)))
        for name in sorted(functions, key=_rank)[:PER_MODULE]:
            found[name] = functions[name]
    samples = list(dict.fromkeys(found[name] for name in sorted(found, key=_rank)))[:COUNT]
    if len(samples) < COUNT:
        what = f"{len(samples)} functions in the standard library's sources, {COUNT} are wanted"
        raise UserError.at(str(folder), what, "is this Python installed without its sources?")
    return tuple(samples)


def _rank(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def _source(folder: Path, module: str) -> str:
    """The text of a module; nothing where it has none (bytecode or a zip archive only)."""
    stem = folder.joinpath(*module.split("."))
    for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return ""


def _functions(module: str, source: str) -> Iterator[tuple[str, str]]:
    """(qualified name, text) of the functions and methods of the right size, not those inside functions."""
    lines = source.splitlines()
    todo: list[tuple[str, ast.AST]] = [(module, ast.parse(source))]
    while todo:
        prefix, parent = todo.pop()
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.ClassDef):
                todo.append((f"{prefix}.{node.name}", node))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                text = textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno]))
                if _fits(text):
                    yield f"{prefix}.{node.name}", text


def _fits(text: str) -> bool:
    """Of the right size, in plain characters, and a whole even out of its class."""
    in_lines = LINES[0] <= len(text.splitlines()) <= LINES[1]
    if not in_lines or not CHARACTERS[0] <= len(text) <= CHARACTERS[1] or not text.isascii():
        return False
    try:
        ast.parse(text)
    except SyntaxError:  # a text in quotes that reached further left than the code
        return False
    return "\t" not in text and "\x0c" not in text
