"""What to do about a file that is no YAML: the parser's own words say where it gave up, not what to type.

``pipeline/arguments.py`` reads this file by its path: nothing may be imported here.
"""

# Words of the parsers (PyYAML's own, and libyaml's) -> what is mostly meant; the first that occurs.
_MENDS = {
    "alphabetic or numeric": "text that begins with * or & needs quotes",
    "\\t": "indent with spaces, not with a tab",
    "a tab character": "indent with spaces, not with a tab",
    "but found '}'": "is a bracket too many, or one not opened?",
    "but found ']'": "is a bracket too many, or one not opened?",
    "but found '<scalar>'": "what follows the quoted text is not part of it",
    "<block end>": "is it indented as the lines that it belongs with? use spaces",
    "expected key": "is it indented as the lines that it belongs with? use spaces",
    "mapping values are not allowed": "is it indented as the line above? text with ': ' in it needs quotes",
    "expected ',' or": "is a bracket or a comma missing here, or in the line above?",
    "node content": "is a bracket not closed, or a comma too many?",
    "end of stream": "is a quote not closed?",
    "undefined alias": "text that begins with * needs quotes",
    "cannot start any token": "text that begins with a sign needs quotes",
}


def how_to_mend(problem: str, line: str) -> str:
    """What to try, in a few words, or nothing. ``problem``: the parser's words; ``line``: the place."""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        problem = "\\t"
    return next((mend for words, mend in _MENDS.items() if words in problem), "")
