"""Targets that a run is asked for and the workflow does not have, found before Snakemake looks for them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brodmann.errors import Problem, UserError, closest, did_you_mean
from brodmann.pipeline.workspace import refuse

_CONFIGS = (".yaml", ".yml", ".json")


def refuse_unknown(workflow: Any) -> None:
    """Say what to type, and end. To be called when all rules are known.

    Snakemake has not set its targets by then, so that they are read off its command line.
    """
    words = sys.argv[1:]
    complete = [rule for rule in workflow.rules if not rule.has_wildcards()]
    # Nearly every run asks for what there is; reading the whole command line takes longer than this.
    names = {rule.name for rule in complete}
    odd = [word for word in words if word[:1].isalpha() and word not in names]
    if not (odd and workflow.is_main_process and "snakemake" in sys.argv[0]):
        return
    from snakemake.cli import get_argument_parser

    given, _ = get_argument_parser().parse_known_args(words)
    asked = [target for target in given.targets if target not in names]
    made = [one for one in asked if any(rule.is_producer(one) for rule in workflow.rules)]
    files = [str(file) for rule in complete for file in rule.products()]
    # Those that users are told of make nothing themselves.
    targets = [rule.name for rule in complete if not rule.output]
    if problems := unknown([one for one in asked if one not in made], targets, files):
        refuse(UserError(*problems))


def unknown(asked: Sequence[str], targets: Sequence[str], files: Sequence[str]) -> list[Problem]:
    """What is wrong with each of ``asked``, which is no rule's name or file; ``files``: of some rules."""
    problems = []
    for word in asked:
        made = word.startswith("results/")  # a file that a rule makes may be asked for again
        if Path(word).suffix in _CONFIGS and Path(word).is_file() and not made:
            fix = f"did you mean '--configfile {word}'?"
            problems.append(Problem(word, "is a config file, not a target", fix))
        elif "/" not in word:
            problems.append(Problem(word, "no such target", did_you_mean(word, targets)))
        elif not Path(word).exists():
            near = closest(word, files)
            fix = f"did you mean '{near}'?" if near else "docs/results.md lists what there is"
            problems.append(Problem(word, "no step makes this file", fix))
    return problems
