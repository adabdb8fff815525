"""A real SLURM on this machine, and a small study that runs on it through profiles/slurm as it ships."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clone import LOCALIZER, SEED, Clone, own_cache, set_up, write_networks
from tiny_models import save_tiny

SCRIPT = Path(__file__).with_name("local_slurm.sh")

# Put into a copy of the workflow: stops a job after the first piece of work that it has stored, once for each
# stage that hold/ names. The job notes its number, and sleeps until somebody ends it.
HOLD = """

def _hold(stage):
    wanted = Path("hold", stage)
    if wanted.exists():
        wanted.unlink()
        Path("hold", stage + ".job").write_text(os.environ["SLURM_JOB_ID"])
        time.sleep(3600)
"""

# Put into a copy of the workflow: the shards of a stage go on when all have stored their first piece of work.
STORED = "                    self.made += len(part)\n"
MEET = """\
                    if self.stage == {stage!r} and not self.share.whole and self.made == len(part):
                        import os, time
                        Path("met").mkdir(exist_ok=True)
                        Path("met", os.environ["SLURM_JOB_ID"]).touch()
                        end = time.monotonic() + 300
                        while len(list(Path("met").iterdir())) < {count}:
                            assert time.monotonic() < end, "the others do not come"
                            time.sleep(0.2)
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


def end_processes_of(folder: Path) -> None:
    """Kill what still runs from files in this folder of ours."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"{folder}/".encode() in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended by itself


class Slurm:
    """What tests ask and do with the cluster."""

    def __call__(self, *command) -> str:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def job(self, number) -> dict[str, str]:
        """What SLURM knows of a job, also after its end."""
        return dict(re.findall(r"(\w+)=(\S*)", self("scontrol", "-o", "show", "job", number)))

    def jobs(self, clone) -> list[dict[str, str]]:
        """All jobs that runs in this clone have submitted, oldest first."""
        records = self("scontrol", "-o", "show", "job").splitlines()
        found = [dict(re.findall(r"(\w+)=(\S*)", record)) for record in records]
        mine = [job for job in found if job.get("WorkDir") == str(clone.path)]
        return sorted(mine, key=lambda job: int(job["JobId"]))

    def jobs_below(self, clone) -> list[dict[str, str]]:
        """All jobs that were submitted from folders in this clone, oldest first."""
        records = self("scontrol", "-o", "show", "job").splitlines()
        found = [dict(re.findall(r"(\w+)=(\S*)", record)) for record in records]
        mine = [job for job in found if job.get("WorkDir", "").startswith(f"{clone.path}/")]
        return sorted(mine, key=lambda job: int(job["JobId"]))

    def wait(self, what, condition, seconds=240):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what}\n{self('squeue', '--states=all')}"
            time.sleep(0.3)


class ClusterClone(Clone):
    """A clone whose Snakemake submits to the cluster."""

    @property
    def own_package(self) -> dict[str, str]:
        """What has the command brodmann run from this clone: its tasks are here."""
        return {"PYTHONPATH": str(self.path / "src")}

    def _command(self, *arguments, cores=None) -> list[str]:
        # As it ships, but for how often the queue is looked at: these jobs take seconds.
        profile = ["--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "5"]
        return [sys.executable, "-m", "snakemake", *profile, *map(str, arguments)]

    def brodmann(self, home, *arguments) -> tuple[int, str]:
        """Run the command with the profiles of a home: its exit code, and its words."""
        done = subprocess.run(
            [sys.executable, "-m", "brodmann.cli", *map(str, arguments)],
            env={**os.environ, "XDG_CONFIG_HOME": str(home), **self.own_package},
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout

    def start(self, *arguments) -> subprocess.Popen:
        """Start Snakemake in a session of its own; its words go to driver.log."""
        with open(self.path / "driver.log", "a") as log:
            return subprocess.Popen(
                self._command(*arguments),
                cwd=self.path,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def hold(self, *stages) -> None:
        """Have the next job of each stage wait after its first piece of work."""
        self.replace("src/brodmann/store/store.py", "\n\nclass Store:", HOLD + "\n\nclass Store:")
        flush = "            os.fsync(self._handle.fileno())\n"
        self.replace(
            "src/brodmann/store/store.py",
            flush,
            flush + "            _hold(self.folder.name)\n",
        )
        (self.path / "hold").mkdir()
        for stage in stages:
            (self.path / "hold" / stage).touch()

    def hold_again(self, stage) -> None:
        """Have the next job of a stage wait, too."""
        (self.path / "hold" / f"{stage}.job").unlink()
        (self.path / "hold" / stage).touch()

    def meet(self, stage, count) -> None:
        """Have so many shards of a stage wait for each other after their first piece of work."""
        more = MEET.format(stage=stage, count=count)
        self.replace("src/brodmann/store/work.py", STORED, STORED + more)

    def held(self, stage) -> str | None:
        """The number of the job that waits, as soon as one does."""
        path = self.path / "hold" / f"{stage}.job"
        return (path.read_text() or None) if path.exists() else None


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The cluster, from nothing; stopped after the tests."""
    obstacle = subprocess.run([SCRIPT, "check"], capture_output=True, text=True)
    if obstacle.returncode != 0:
        pytest.skip(f"no SLURM can be started here: {obstacle.stdout.strip()}")
    try:
        subprocess.run([SCRIPT, "start"], check=True)
        yield Slurm()
    finally:
        subprocess.run([SCRIPT, "stop"], check=True)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    with own_cache(tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("weights") / "llama", "llama", SEED)


def set_up_all(root, path, weights) -> Clone:
    """A study with every kind of job that is submitted."""
    clone = set_up(root, path, weights)
    more = {"localizer": LOCALIZER, "networks": write_networks(clone)}
    clone.write_config({**clone.config(), **more})
    return clone


@pytest.fixture(scope="session")
def local(slurm, root, tmp_path_factory, weights) -> Clone:
    """The study run on this machine, without the cluster: what its results must be."""
    clone = set_up_all(root, tmp_path_factory.mktemp("local") / "clone", weights)
    clone.snakemake()
    return clone


@pytest.fixture(scope="session")
def fresh(slurm, root, tmp_path_factory, weights):
    """Make a clone that has not run."""

    made = []

    def make(name) -> ClusterClone:
        path = tmp_path_factory.mktemp(name) / "clone"
        made.append(path)
        return ClusterClone(set_up_all(root, path, weights).path)

    yield make
    # A node that is set down without dying leaves processes of its jobs behind.
    for path in made:
        end_processes_of(path)
