"""``make site``: several atlases in one folder."""

from __future__ import annotations

import subprocess
import sys

import pytest
import toy_results as toy


@pytest.fixture
def site(root, tmp_path):
    def run(*results):
        command = [sys.executable, root / "tools/atlas_site.py", tmp_path / "site", *results]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.mark.slow
def test_two_studies_and_their_page(site, tmp_path):
    toy.study(tmp_path / "here" / "results")
    toy.provenance(tmp_path / "published", models={"there": {"source": "results:x"}})
    done = site("here/results", "matrices=published")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site/index.html").read_text()
    assert '<a href="here/index.html">' in page and '<a href="matrices/index.html">' in page
    assert "one, one-untrained: 2 models; 3 tasks; controls among the models: 1." in page
    assert "there: 1 model; 0 tasks; matrices only." in page
    for name in ("here", "matrices"):
        assert (tmp_path / "site" / name / "data/manifest.js").is_file()
    # A site that cannot be made leaves the former one.
    done = site("here/results", "here=published")
    assert done.returncode == 1 and done.stderr.startswith("ERROR: here: two studies")
    done = site("a b=published")
    assert done.returncode == 1 and "cannot be part of an address" in done.stderr
    done = site()
    assert done.returncode == 1 and "there is no finished study" in done.stderr
    assert (tmp_path / "site/index.html").read_text() == page
