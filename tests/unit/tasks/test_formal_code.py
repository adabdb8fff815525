"""Code tasks: every program that an item shows is run, and prints what the item says."""

import json
import re
import subprocess
import sys
from itertools import islice

import pytest

from brodmann.tasks.catalogue import task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.dice import Dice
from brodmann.tasks.expand import expand
from brodmann.tasks.generators import generators

TASKS = [f"code_{name}" for name in ("conditional", "loop", "list", "arithmetic", "string")]
ITEMS = 300

# Runs in a process of its own: programs in, what each prints out.
RUNNER = """
import contextlib, io, json, sys
outputs = []
for program in json.load(sys.stdin):
    buffer = io.StringIO()
    with contextlib.redirect_stdout(buffer):
        exec(program, {"__name__": "program"})
    outputs.append(buffer.getvalue())
json.dump(outputs, sys.stdout)
"""

# The line that says what a program shows, and other lines that are not code.
SHOWN = re.compile(
    r"(?:# Output:|Answer:|# Now (?P<value>.+) is|Student: It prints(?: the word)?"
    r"|This Python code prints either .+ or .+, namely) (?P<shown>.+)"
)
PROSE = re.compile(r"Question:|Teacher:|$")


def outputs(programs):
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUNNER],
        input=json.dumps(programs),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def programs(text):
    """(program, what it is said to print, its lines in the text) for each program in a prompt."""
    lines = []
    for line in text.split("\n"):
        if shown := SHOWN.fullmatch(line):
            code = "\n".join(lines)
            asked = f"\nprint({shown['value']})" if shown["value"] else ""
            yield code + asked, shown["shown"], code
            lines = []
        elif not PROSE.match(line):
            lines.append(line)
    assert not lines, text


def sides(item):
    return (item.clean_prompt, item.correct), (item.corrupted_prompt, item.incorrect)


@pytest.mark.parametrize("level", ["default", "easy", "hard"])
@pytest.mark.parametrize("name", TASKS)
def test_programs_print_the_answers(root, name, level):
    task = f"formal/{name}"
    definition = load_definition(task_path(root / "data", task), level)
    items = expand(task, definition, seed=0, count=ITEMS if level == "default" else 60)
    said = {}
    for item, chat in zip(items.wordings["completion"], items.wordings["chat"], strict=True):
        for (prompt, answer), (question, reply) in zip(sides(item), sides(chat), strict=True):
            found = list(programs(prompt + answer))
            said |= {program: shown for program, shown, _ in found}
            program, shown, code = found[-1]
            assert shown == reply == answer.removeprefix(" ")
            assert f"\n{code}\n" in question
            assert (
                2 <= len(code.split("\n")) + ("# Now" in prompt) <= (7 if level == "hard" else 6)
            ), code
    printed = outputs(list(said))
    for (program, shown), output in zip(said.items(), printed, strict=True):
        assert output == shown + "\n", program


@pytest.mark.parametrize("name", TASKS)
def test_answers_of_one_kind_and_one_token_of_code_differs(root, name):
    task = f"formal/{name}"
    items = expand(task, load_definition(task_path(root / "data", task)), seed=0, count=ITEMS)
    for item in items.wordings["completion"]:
        one, other = item.correct.strip(), item.incorrect.strip()
        assert one.isdigit() == other.isdigit()
        if one.isdigit():
            assert len(one) == len(other)
        tokens = [re.findall(r"\w+|[^\w\s]", text) for text, _ in sides(item)]
        assert len(tokens[0]) == len(tokens[1])
        assert sum(a != b for a, b in zip(*tokens, strict=True)) == 1, item.clean_prompt


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("code_conditional", {"branches": 5}, "branches must be a whole number from 2 to 4"),
        ("code_conditional", {"kinds": ["goto"]}, "kinds must be some of flag, equal"),
        ("code_loop", {"length": True}, "length must be"),
        ("code_list", {"kinds": []}, "kinds must be"),
        ("code_arithmetic", {"largest": 5}, "largest must be"),
        ("code_string", {"words": 1}, "words must be"),
    ],
)
def test_arguments_that_cannot_be(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        next(generators()[name].contents(Dice(0), arguments))


@pytest.mark.parametrize("name", TASKS)
def test_every_kind_and_size_gives_contents(name):
    generator = generators()[name]
    [size] = set(generator.arguments) - {"kinds"}
    kinds = generator.arguments["kinds"].default
    low, high = {"branches": (2, 4), "length": (3, 6), "largest": (9, 99), "words": (2, 4)}[size]
    for kind in kinds:
        for value in (low, high):
            contents = generator.contents(Dice(1), {"kinds": [kind], size: value})
            for content in islice(contents, 20):
                assert content.conditions == {"kind": kind}
                assert content.answers[0] != content.answers[1]
