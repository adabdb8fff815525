"""Make the folders of safetensors that the rest works with: from GGUF files, or with fresh weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from brodmann.errors import UserError
from brodmann.models.broken_package import broken_package
from brodmann.models.quantised import forget
from brodmann.models.towers import find_tower


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Dequantise a GGUF file to float32 safetensors in ``folder``, with config and tokenizer."""
    try:
        source = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(
            gguf.parent, gguf_file=gguf.name, local_files_only=True
        )
    except ImportError as error:
        if (problem := broken_package(error, str(gguf))) is None:
            raise
        raise UserError(problem) from None
    except (ValueError, KeyError, OSError, NotImplementedError, IndexError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        fix = "is it a GGUF file of a known architecture?"
        raise UserError.at(str(gguf), f"cannot be converted: {reason[0]}", fix) from None
    # transformers refuses to save a model that remembers a quantised origin: the weights go into a
    # fresh model of the same architecture instead.
    config = source.config
    forget(config)
    config.dtype = torch.float32
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(source.state_dict(), assign=True)
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def initialise_untrained(trained: Path, folder: Path, seed: int, trust_remote_code: bool) -> None:
    """Write the architecture of ``trained`` with freshly drawn weights, and the same tokenizer."""
    config = AutoConfig.from_pretrained(
        trained, local_files_only=True, trust_remote_code=trust_remote_code
    )
    if type(config) not in AutoModelForCausalLM._model_mapping:
        tower = find_tower(config, "models")
        config = tower.config if tower else config
    # What is drawn is plain, however the weights of ``trained`` are packed.
    forget(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    model.save_pretrained(folder)
    for path in trained.iterdir():
        copied = path.suffix in (".json", ".jinja", ".txt", ".model", ".tiktoken", ".py")
        weights_index = path.name.endswith(".index.json")
        if path.is_file() and copied and not weights_index and not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)
