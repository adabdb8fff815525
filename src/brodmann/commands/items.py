"""``brodmann items``: the first items of a task, as models get them."""

from __future__ import annotations

import argparse

from brodmann.commands.common import known_tasks, loaded, read_task, study_arguments
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.tasks import catalogue
from brodmann.tasks.items import TaskItems


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, tasks=True)
    parser.add_argument("task", help="domain/name")
    parser.add_argument("-n", type=int, default=3, help="how many (default 3)")


def run(options: argparse.Namespace) -> int:
    """Both prompts and the answers of each item, in every wording."""
    study = loaded(options).study
    known = known_tasks(study)
    found = catalogue.select(known, [options.task], "the task")
    if options.task not in known:
        raise UserError.at(options.task, f"are {len(found)} tasks", f"name one: {found[0]}, ...")
    items = read_task(study, options.task, max(1, options.n))
    for wording, pairs in items.wordings.items():
        for number, item in enumerate(pairs):
            print(f"--- {items.task}, {wording}, item {number}")
            print(f"clean:     {item.clean_prompt!r}")
            print(f"corrupted: {item.corrupted_prompt!r}")
            answers = [item.correct] if item.incorrect is None else [item.correct, item.incorrect]
            print(f"answers:   {' | '.join(repr(answer) for answer in answers)}")
    print("---", "; ".join(_wording_of(study, items)) or "no model is run")
    return 0


def _wording_of(study: Study, items: TaskItems) -> list[str]:
    """Which wording each model of the config gets; of ``auto`` only its chat template decides."""
    texts = []
    for name in study.run_models:
        asked = study.models[name].prompting.format
        chat, plain = items.wording("chat"), items.wording("completion")
        if asked == "auto" and chat != plain:
            texts.append(f"{name} gets {chat} if its tokenizer has a chat template, else {plain}")
        else:
            texts.append(f"{name} gets {chat if asked == 'auto' else items.wording(asked)}")
    return texts
