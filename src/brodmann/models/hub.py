"""Models on the Hugging Face hub: brought into the cache, found there again, or only asked about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

from brodmann.config.models import ModelEntry
from brodmann.errors import UserError
from brodmann.models.cache import Cache

# Globs of the files that a tokenizer and its chat templates may consist of.
TOKENIZER_FILES = (
    *("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt"),
    *("*.model", "*.tiktoken", "tekken.json", "chat_template*", "additional_chat_templates/*"),
)


class _Unreachable(UserError):
    """The hub cannot be reached: what is in the cache may serve."""


def download(entry: ModelEntry, cache: Cache) -> str:
    """Bring a model into the cache (resuming what was begun); returns the commit."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        with _explained(entry):
            info = HfApi().model_info(entry.location, revision=entry.revision)
            wanted = wanted_files(entry, [sibling.rfilename for sibling in info.siblings or []])
            place = {"revision": info.sha, "cache_dir": cache.hub}
            snapshot_download(entry.location, **place, allow_patterns=wanted)
            return str(info.sha)
    except _Unreachable:
        # Without a network, a complete snapshot from an earlier download serves.
        if (folder := cached(entry, cache, entry.revision)) is not None:
            return folder.name
        raise


def ask(entry: ModelEntry, cache: Cache) -> str:
    """Commit, licence and size of a model, in words; an error if it could not be had. Nothing is fetched."""
    from huggingface_hub import HfApi

    here = cached(entry, cache, entry.revision)
    try:
        with _explained(entry):
            hub = HfApi()
            info = hub.model_info(entry.location, revision=entry.revision, files_metadata=True)
            hub.auth_check(entry.location)  # a gated model's page may be read by all
    except _Unreachable:
        if here is None:
            raise
        return "in the cache (the hub cannot be reached)"
    files = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
    globs = wanted_files(entry, list(files))
    size = sum(n for name, n in files.items() if any(fnmatch(name, glob) for glob in globs))
    card: Any = info.card_data or {}
    there = here is not None and here.name == info.sha
    place = "in the cache" if there else f"{size / 1e9:.2f} GB to fetch"
    return f"commit {str(info.sha)[:7]}, licence {card.get('license') or 'not stated'}, {place}"


@contextmanager
def _explained(entry: ModelEntry) -> Iterator[None]:
    """What the hub refuses, and that it cannot be reached, in a line."""
    from huggingface_hub import get_session
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # Versions of the hub's package differ in the library by which they ask.
    client = import_module(type(get_session()).__module__.partition(".")[0])
    where, name = f"models.{entry.name}.source", entry.location
    try:
        yield
        return
    except GatedRepoError:
        what = f"'{name}' is gated: its licence must be accepted first"
        fix = "accept it on the model's page, then run 'hf auth login' (or set HF_TOKEN) and try again"
    except RevisionNotFoundError:
        where, fix = f"models.{entry.name}.revision", ""
        what = f"'{name}' has no revision '{entry.revision}'"
    except RepositoryNotFoundError:
        what = f"the hub has no model '{name}', or it is private"
        fix = "check the spelling; for a private model run 'hf auth login' first"
    except (OfflineModeIsEnabled, client.HTTPError, HfHubHTTPError, ConnectionError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        what = f"'{name}' is not in the cache and the hub cannot be reached ({reason})"
        fix = "run 'snakemake models' on a host with internet access; a broken download is resumed"
        raise _Unreachable.at(where, what, fix) from None
    raise UserError.at(where, what, fix)


def wanted_files(entry: ModelEntry, files: list[str]) -> list[str]:
    """Config, tokenizer and one set of weights; never a second copy in another format."""
    wanted = [*TOKENIZER_FILES, "config.json", "generation_config.json"]
    if entry.trust_remote_code:
        wanted.append("*.py")
    if entry.untrained:
        return wanted
    top = [name for name in files if "/" not in name]
    if any(name.endswith(".safetensors") for name in top):
        # Some repositories carry the same weights again as consolidated*.safetensors.
        if any(name.startswith("model") and name.endswith(".safetensors") for name in top):
            return [*wanted, "model*.safetensors", "model*.safetensors.index.json"]
        return [*wanted, "*.safetensors", "*.safetensors.index.json"]
    if not entry.allow_pickle:
        what = (
            f"'{entry.location}' has no safetensors, only pickles, which can run code when loaded"
        )
        fix = f"set models.{entry.name}.allow_pickle: true if you trust it"
        raise UserError.at(f"models.{entry.name}.source", what, fix)
    return [*wanted, "*.bin", "*.bin.index.json"]


def cached(entry: ModelEntry, cache: Cache, revision: str | None) -> Path | None:
    """The folder of a model in the cache, if it is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    own = {"revision": revision, "cache_dir": cache.hub, "local_files_only": True}
    try:
        return Path(snapshot_download(entry.location, **own))
    except LocalEntryNotFoundError:
        return None


def snapshot(entry: ModelEntry, cache: Cache, revision: str | None) -> Path:
    """The same, which must be there."""
    if (folder := cached(entry, cache, revision)) is not None:
        return folder
    what = f"hf:{entry.location}@{revision} is not in the cache"
    fix = "run 'snakemake models' on a host with internet access, with the same cache"
    raise UserError.at(f"models.{entry.name}", what, fix)
