"""Puts the atlases of several studies into one folder, which any web server can show.

    python tools/atlas_site.py OUT RESULTS [RESULTS ...]

RESULTS is a folder of a finished study's results, or NAME=RESULTS. OUT/NAME is its atlas, and OUT/index.html
leads to all of them.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from brodmann.atlas.study import StudyFolder
from brodmann.atlas.write import PAGE, write_atlas
from brodmann.errors import UserError
from brodmann.files import atomic_folder, write_text

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Atlases</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
dd {{ margin: 0 0 1rem; }}
</style>
</head>
<body>
<h1>Atlases</h1>
<p>Functional maps of language models, made by brodmann.</p>
<dl>
{entries}
</dl>
</body>
</html>
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Entry:
    """One study of the site."""

    name: str
    results: Path

    @classmethod
    def of(cls, text: str) -> Entry:
        """``NAME=RESULTS``, or a folder, which is called by the study's own folder."""
        name, sign, place = text.partition("=")
        results = Path(place if sign else text)
        own = name if sign else results.resolve().parent.name
        if not _NAME.fullmatch(own):
            raise UserError.at(text, f"'{own}' cannot be part of an address", "write NAME=RESULTS")
        return cls(own, results)

    def described(self) -> str:
        """What leads to it."""
        study = StudyFolder(self.results)
        controls = sum(one.control for one in study.models)
        models = len(study.models)
        counts = ["1 model" if models == 1 else f"{models} models", f"{len(study.tasks)} tasks"]
        counts += [f"controls among the models: {controls}"] if controls else []
        counts += ["matrices only"] if all(one.imported for one in study.models) else []
        names = html.escape(", ".join(one.name for one in study.models))
        link = f'<dt><a href="{self.name}/{PAGE}">{html.escape(self.name)}</a></dt>'
        return f"{link}\n<dd>{names}: {'; '.join(counts)}.</dd>"


def write_site(output: Path, entries: list[Entry]) -> None:
    """The whole folder, made anew."""
    names = [one.name for one in entries]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UserError.at(
            twice, "two studies have this name", "write NAME=RESULTS for one of them"
        )
    with atomic_folder(output) as folder:
        for one in entries:
            write_atlas(folder / one.name / PAGE, results=one.results)
        described = "\n".join(one.described() for one in entries)
        write_text(folder / PAGE, _PAGE.format(entries=described))


def main() -> int:
    """Exit code; errors are one line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("results", nargs="*", metavar="RESULTS")
    asked = parser.parse_args()
    try:
        if not asked.results:
            fix = "run make demo first, or name folders of results: make site STUDIES='a/results'"
            raise UserError.at("site", "there is no finished study", fix)
        write_site(asked.output, list(map(Entry.of, asked.results)))
    except UserError as error:
        for problem in error.problems:
            print(f"ERROR: {problem}", file=sys.stderr)
        return 1
    print(f"The site: {(asked.output / PAGE).resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
