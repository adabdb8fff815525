"""How often Snakemake asks SLURM: the plugin and our profile, with stand-ins for SLURM's commands."""

import os
import subprocess
import sys

# A job is done as soon as it is submitted; every call is written down.
STAND_IN = """#!/bin/sh
name=${{0##*/}}
echo "$name $*" >> {folder}/calls
case $name in
sbatch)
  number=$(echo "$*" | sed -n 's/.*--comment rule_one_wildcards_\\([0-9]*\\) .*/\\1/p')
  touch {folder}/$number.txt
  echo "$number|COMPLETED" >> {folder}/jobs
  echo "$number" ;;
squeue) cat {folder}/jobs ;;
scontrol) echo "MinJobAge               = 300 sec" ;;
*) exit 1 ;;
esac
"""
RULES = """
rule all:
    input: expand("{n}.txt", n=range(1, 31))

rule one:
    output: "{n}.txt"
    resources: mem_mb=500, runtime=5
    shell: "touch {output}"
"""


def test_the_state_of_all_jobs_is_one_question(root, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sbatch", "squeue", "scontrol", "sacct", "sacctmgr", "sinfo"):
        (programs / name).write_text(STAND_IN.format(folder=tmp_path))
        (programs / name).chmod(0o755)
    (tmp_path / "Snakefile").write_text(RULES)
    command = [sys.executable, "-m", "snakemake", "--profile", str(root / "profiles/slurm")]
    done = subprocess.run(
        [*command, "--slurm-init-seconds-before-status-checks", "2"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    submitted = [call for call in calls if call.startswith("sbatch ")]
    looks = [call for call in calls if call.startswith("squeue ")]
    assert len(submitted) == 30
    # Every look asks the same: by the name that the jobs share, not job by job.
    assert len(set(looks)) == 1 and " --name " in looks[0] and "--jobs" not in looks[0]
    # And nobody asks the data base about each job.
    assert len([call for call in calls if call.startswith("sacct")]) <= 2
