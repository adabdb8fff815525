"""How often Snakemake asks SLURM's controller, for many small jobs through profiles/slurm: run by hand, on a
cluster (`tests/cluster/local_slurm.sh start`) that nobody else uses: python tests/cluster/questions.py [JOBS]
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULES = """
rule all:
    input: expand("{{n}}.txt", n=range({jobs}))

rule one:
    output: "{{n}}.txt"
    resources: mem_mb=500, runtime=5
    shell: "sleep 10; touch {{output}}"
"""


def questions() -> dict[str, int]:
    """Kind of request -> how many the controller has answered since `sdiag --reset`."""
    said = subprocess.run(["sdiag"], capture_output=True, text=True, check=True).stdout
    by_kind = said.partition("by message type")[2].partition("by user")[0]
    return {kind: int(n) for kind, n in re.findall(r"^\s+(\w+)\s*\(.*?count:(\d+)", by_kind, re.M)}


def main(jobs: int, *more: str) -> None:
    """Run the jobs, and print what was asked of the controller meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text(RULES.format(jobs=jobs))
        subprocess.run(["sdiag", "--reset"], check=True)
        begin = time.monotonic()
        command = [sys.executable, "-m", "snakemake", "--profile", str(ROOT / "profiles" / "slurm")]
        with open(Path(folder, "log"), "w") as log:
            done = subprocess.run([*command, *more], cwd=folder, stdout=log, stderr=log)
        if done.returncode:
            sys.exit(Path(folder, "log").read_text())
        print(f"{jobs} jobs in {time.monotonic() - begin:.0f} s")
    for kind, count in sorted(questions().items(), key=lambda found: -found[1]):
        print(f"{kind:<36} {count:>6}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, *sys.argv[2:])
