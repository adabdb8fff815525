"""A registration in a study: only the report reads it, and it compares what really ran."""

import os
import re
import subprocess
import sys

import pytest


def prereg(clone, *more):
    command = [sys.executable, "-m", "brodmann.cli", "prereg", *more]
    env = {**os.environ, "PYTHONPATH": str(clone.path / "src")}
    return subprocess.run(command, cwd=clone.path, env=env, capture_output=True, text=True)


@pytest.mark.slow
def test_a_registration_makes_the_report_anew_and_nothing_else(study):
    before = study.ledger()
    assert prereg(study).returncode == 0
    rules = study.planned()
    assert set(rules) - {"all", "report"} == {"write_report"}
    study.snakemake()
    assert study.ledger() == before and not study.planned()
    text = (study.path / "results/report.html").read_text(encoding="utf-8")
    assert "when results existed already (first record: " in text
    # Settings and items as the run recorded them, not as the config says.
    assert "The run matches the registration" in text

    config = study.config()
    config["tasks"]["min_both_correct"] = 0.7
    study.write_config(config)
    study.snakemake()
    text = (study.path / "results/report.html").read_text(encoding="utf-8")
    assert re.search(r"setting: tasks\.min_both_correct 0\.6 -(>|&gt;) 0\.7", text)

    study.replace("results/preregistration.json", '"alpha": 0.05', '"alpha": 0.06')
    done = study.snakemake("report", check=False)
    said = [line for line in done.stdout.splitlines() if "does not match its SHA-256" in line]
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert len(set(said)) == 1 and "results/preregistration.json: " in said[0]
    assert study.ledger()[: len(before)] == before
