"""What a run asks for beyond one pass: told by the process that plans it, read by its jobs. Light.

By environment variables, which jobs inherit: they decide where work is done, not what comes out, so that no
job has a reason to run again in them.
"""

from __future__ import annotations

import os

_ATTRIBUTIONS = "BRODMANN_ATTRIBUTIONS_TOO"


def tell(attributions: bool) -> None:
    """Whether attributions are asked for, beside baselines."""
    os.environ[_ATTRIBUTIONS] = str(int(attributions))


def attributions_are_asked() -> bool:
    """Within a job: the same."""
    return os.environ.get(_ATTRIBUTIONS) == "1"
