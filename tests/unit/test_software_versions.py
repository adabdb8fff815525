"""What results say of the software that made them."""

import numpy as np

from brodmann import provenance


def test_an_installed_package_has_no_commit_whatever_lies_around_it(monkeypatch):
    asked = provenance.git_commit.__wrapped__
    monkeypatch.setattr(provenance, "INSTALLED", True)
    assert asked() is None


def test_without_git_nobody_knows_the_commit(tmp_path, monkeypatch):
    asked = provenance.git_commit.__wrapped__
    monkeypatch.setattr(provenance, "INSTALLED", False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert asked() is None
    (tmp_path / "git").write_text("#!/bin/sh\nexit 128\n")  # no repository
    (tmp_path / "git").chmod(0o755)
    assert asked() is None
    (tmp_path / "git").write_text(f"#!/bin/sh\necho {'a' * 40}-dirty\n")
    assert asked() == f"{'a' * 40}-dirty"


def test_of_packages_those_that_are_installed_have_a_version():
    found = provenance.package_versions(("numpy", "no-package-of-this-name"))
    assert found == {"numpy": np.__version__}
