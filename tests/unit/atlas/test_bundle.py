"""The page that ships with the package is the one that its sources make, and asks nothing of anywhere."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "atlas"
BUNDLE = ROOT / "src/brodmann/atlas/bundle"


@pytest.fixture(scope="module")
def page() -> str:
    return (BUNDLE / "index.html").read_text(encoding="utf-8")


def test_the_bundle_is_that_of_the_sources(page):
    single = ("index.html", "package.json", "package-lock.json", "tsconfig.json")
    files = [SOURCES / name for name in single]
    files += [
        file
        for part in ("src", "scripts")
        for file in (SOURCES / part).rglob("*")
        if file.is_file()
    ]
    found = hashlib.sha256()
    for name, file in sorted((file.relative_to(SOURCES).as_posix(), file) for file in files):
        found.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    said = re.search(r'<meta name="atlas-sources" content="([0-9a-f]{64})"', page)
    assert said and said[1] == found.hexdigest(), "the page is older than its sources: make atlas"


def test_the_page_asks_nothing_of_anywhere(page):
    # Names of XML's dialects look like addresses; nothing is ever fetched from them.
    hosts = set(re.findall(r"\bhttps?://([\w.-]+)", page)) - {"www.w3.org"}
    assert not hosts
    scripts = re.findall(r"<script[^>]*\bsrc=\"([^\"]*)\"", page)
    assert scripts == ["data/manifest.js"]
    assert "<!--data-->" in page and "<!--/data-->" in page


def test_every_library_in_the_page_has_its_licence():
    lock = json.loads((SOURCES / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    licences = (BUNDLE / "LICENCES.txt").read_text(encoding="utf-8")
    listed = set(
        re.findall(r"^(@?[\w/.-]+) \d[\w.]* \((?:MIT|ISC|BSD-3-Clause)\)$", licences, re.M)
    )
    wanted = set(json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))["dependencies"])
    used = {
        name
        for name in wanted
        if any(
            f'from "{name}' in file.read_text(encoding="utf-8")
            for file in (SOURCES / "src").rglob("*.ts*")
        )
    }
    assert wanted == used, "a dependency that no source imports"
    assert used <= listed
    assert listed <= {path.removeprefix("node_modules/") for path in lock}


def test_the_lock_names_no_registry():
    text = (SOURCES / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in text and "registry" not in text
