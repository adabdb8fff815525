"""Of a file that is no YAML the user hears what to type, whichever parser gave up."""

import pytest

from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.tasks.yaml_source import read_yaml

INDENT = "is it indented as the lines that it belongs with? use spaces"


@pytest.mark.parametrize(
    ("text", "line", "mend"),
    [
        ("tasks:\n    include: [x]\n  items: 3\n", 3, INDENT),
        ("a:\n  - x\n - y\n", 3, INDENT),
        ("a:\n\tb: 1\n", 2, "indent with spaces, not with a tab"),
        ("a:\n  b: 1\n\tc: 1\n", 3, "indent with spaces, not with a tab"),
        (
            "a:\n  b: 1\n   c: 2\n",
            3,
            "is it indented as the line above? text with ': ' in it needs quotes",
        ),
        ("a: [1, 2\nb: 3\n", 2, "is a bracket or a comma missing here, or in the line above?"),
        ("a: {b: 1\nc: 2\n", 2, "is a bracket or a comma missing here, or in the line above?"),
        ("a: [\n", 1, "is a bracket not closed, or a comma too many?"),
        ("a: 'x\nb: y\n", 2, "is a quote not closed?"),
        ("tasks:\n  include: [*]\n", 2, "text that begins with * or & needs quotes"),
        ("tasks: *x\n", 1, "text that begins with * needs quotes"),
        ("a: @x\n", 1, "text that begins with a sign needs quotes"),
    ],
)
def test_a_line_that_is_no_yaml_says_what_to_type(tmp_path, root, text, line, mend):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    for read in (read_yaml, lambda file: load_config([file], root=root)):
        with pytest.raises(UserError) as told:
            read(path)
        [said] = map(str, told.value.problems)
        assert said.startswith(f"{path}:{line}: not valid YAML: ") and said.endswith(f" ({mend})")


def test_what_follows_a_bracket_or_a_quoted_text(tmp_path, root):
    """The fast parser has one message for these and for indents."""
    path = tmp_path / "study.yaml"
    for text, mend in {
        "a: {b: 1}}\n": "is a bracket too many, or one not opened?",
        'a: "x" y\n': "what follows the quoted text is not part of it",
    }.items():
        path.write_text(text)
        with pytest.raises(UserError) as told:
            load_config([path], root=root)
        assert str(told.value).endswith(f" ({mend})")
