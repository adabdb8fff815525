"""A finished study on the Hugging Face hub: one commit to a repository of data sets.

The token is read by the hub's own package (HF_TOKEN, or ``hf auth login``), and stands in no message.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from brodmann.errors import UserError
from brodmann.sharing.parcel import MANIFEST, Parcel

# As the hub has it: without -- and .., and with a letter or digit at either end.
_NAME = re.compile(r"(?!.*(--|\.\.|\.git$))[^\W_][\w.-]*(?<![.-])/\w([\w.-]*\w)?", re.ASCII)
# What the hub keeps for itself, and what it begins a repository with.
_OF_HUB, _CARD = ".gitattributes", "README.md"


def repository(target: str) -> str:
    """``ORG/NAME`` of ``hf:ORG/NAME``."""
    kind, _, name = target.partition(":")
    if kind != "hf" or not _NAME.fullmatch(name):
        raise UserError.at(target, "is no place to publish at", "write hf:ORG/NAME")
    return name


def publish(parcel: Parcel, name: str, *, private: bool = False) -> str:
    """Make the repository hold what the parcel holds, and nothing else; returns the commit's address.

    What it has already is not sent again. A repository that holds something else than a study is refused,
    and so is a public one, if it is to be ``private``.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token

    token = get_token()
    if token is None:
        what = "nobody is logged in to the hub"
        raise UserError.at(f"hf:{name}", what, "run 'hf auth login', or set HF_TOKEN")
    hub = HfApi(token=token)
    where: dict[str, Any] = {"repo_id": name, "repo_type": "dataset"}
    sent: dict[str, Any] = {**parcel.texts, **parcel.files}
    another = "choose another name"
    try:
        hub.create_repo(**where, private=private, exist_ok=True)
        if private and not hub.dataset_info(name).private:
            what = "is there already, and everybody can read it"
            raise UserError.at(f"hf:{name}", what, f"make it private at the hub, or {another}")
        there = set(hub.list_repo_files(**where)) - {_OF_HUB}
        if MANIFEST not in there and (others := sorted(there - {_CARD})):
            what = f"holds something else than a study ({others[0]}), which would be deleted"
            raise UserError.at(f"hf:{name}", what, another)
        operations: list[Any] = [CommitOperationAdd(path, file) for path, file in sent.items()]
        operations += [CommitOperationDelete(path) for path in sorted(there.difference(sent))]
        message = f"Results, fingerprint {parcel.fingerprint[:12]}"
        return str(
            hub.create_commit(**where, operations=operations, commit_message=message).commit_url
        )
    except Exception as error:
        if not _of_hub(error):
            raise
        # Of a file that did not arrive, the reason stands in what the error came from.
        said = ": ".join(map(_first_line, filter(None, (error, error.__cause__))))
        raise UserError.at(f"hf:{name}", f"the hub refused: {said.replace(token, '***')}") from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _of_hub(error: Exception) -> bool:
    """Whether the hub, or the way to it, is at fault."""
    from huggingface_hub import get_session
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    # Versions of the hub's package differ in the library by which they ask.
    client = import_module(type(get_session()).__module__.partition(".")[0])
    # RuntimeError: of the library that sends large files in pieces.
    ways = (OfflineModeIsEnabled, client.HTTPError, ConnectionError, RuntimeError)
    return isinstance(error, (HfHubHTTPError, HFValidationError, *ways))
