"""The statistics: every long table, the module that has its columns and rows, and the rule that writes it.

Light, for the Snakefile reads it: modules stand as text, below ``brodmann.statistics.stages``. Each has a
dictionary ``TABLES`` of its tables by name (``brodmann.statistics.study_tables.Table``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brodmann.config.study import Study
from brodmann.methods import METHODS
from brodmann.statistics.inventory import Inventory

FOLDER = "results/statistics"


@dataclass(frozen=True)
class Statistic:
    """One long table, results/statistics/{name}.csv; ``printed``: a paper prints it, tables/{name}.md."""

    name: str
    module: str
    printed: bool = False
    reported: bool = True  # the report reads it

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{FOLDER}/{self.name}.csv"


@dataclass(frozen=True)
class Job:
    """Statistics that one rule writes, by ``write``: ``module:function`` like the modules of tables."""

    rule: str
    message: str
    write: str
    statistics: tuple[Statistic, ...]
    method: int  # version of how the numbers are made
    surfaces: bool = False  # reads what prompts have in common
    local: bool = False  # too short for a job of its own on a cluster

    def reads(self, study: Study, inventory: Inventory) -> Mapping[str, Any]:
        """Its inputs by name."""
        models = study.run_models if self.surfaces else ()
        surfaces = [f"results/{model}/surface.csv" for model in models]
        return {"matrices": inventory.files, **({"surfaces": surfaces} if self.surfaces else {})}

    @property
    def outputs(self) -> dict[str, str]:
        """Its tables by name."""
        return {one.name: one.path for one in self.statistics}


JOBS = (
    # Of each matrix, and of all together: one job, for several tables report the same tests.
    Job(
        "structure",
        "Testing domains, clusters, agreement of models, and trained against untrained models",
        "structure:write_structure",
        (
            Statistic("modularity", "modularity", printed=True),
            Statistic("domain_modularity", "modularity", printed=True),
            Statistic("clustering", "clustering"),
            Statistic("clusters", "clustering", reported=False),
            Statistic("consistency", "consistency"),
            Statistic("threshold_robustness", "robustness", printed=True),
            Statistic("untrained", "untrained"),
        ),
        METHODS["structure"],
        local=True,
    ),
    Job(
        "structure_function",
        "Does overlap predict ablation?",
        "structure_function:write_structure_function",
        (Statistic("structure_function", "structure_function", printed=True),),
        METHODS["structure_function"],
    ),
    Job(
        "confounds",
        "Does the domain effect survive what prompts share on the surface?",
        "confounds:write_confounds",
        (Statistic("confounds", "confounds", printed=True),),
        METHODS["confounds"],
        surfaces=True,
    ),
)
STATISTICS: Mapping[str, Statistic] = {one.name: one for job in JOBS for one in job.statistics}
PRINTED = tuple(one.name for one in STATISTICS.values() if one.printed)


def printed_files() -> list[str]:
    """The tables that a paper prints."""
    return [f"{FOLDER}/tables/{name}.{ending}" for name in PRINTED for ending in ("md", "tex")]


def files() -> list[str]:
    """Every file of statistics."""
    return [*(one.path for one in STATISTICS.values()), *printed_files()]
