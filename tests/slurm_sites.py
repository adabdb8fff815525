"""Stand-ins for SLURM's commands, which answer what a real cluster did (tests/unit/pipeline/slurm_sites)."""

from pathlib import Path

RECORDED = Path(__file__).parent / "unit" / "pipeline" / "slurm_sites"

# Says what stands below its own command line; a command that was not recorded fails.
_PLAY = """#!/bin/sh
exec awk -v want="\\$ ${{0##*/}} $*" '
  $0 == want {{ found = on = 1; next }}
  /^\\$ / {{ on = 0 }}
  on
  END {{ if (!found) {{ print "not recorded: " want > "/dev/stderr"; exit 1 }} }}
' {answers}
"""


def play(shape: str, folder: Path, monkeypatch) -> None:
    """Put a site of this shape (a file of ``slurm_sites``) before all other programs."""
    for name in ("sinfo", "scontrol", "sacctmgr"):
        (folder / name).write_text(_PLAY.format(answers=RECORDED / f"{shape}.txt"))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("LOGNAME", "root")  # who recorded them
