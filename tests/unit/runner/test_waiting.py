"""How torch's threads wait for each other: what the OpenMP runtime says that it was told."""

import os
import subprocess
import sys

import pytest

MINE = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}


@pytest.mark.parametrize(
    ("given", "told"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")],
)
def test_threads_sleep_early_unless_the_user_says_otherwise(given, told):
    environment = {name: value for name, value in os.environ.items() if name not in MINE}
    said = subprocess.run(
        [sys.executable, "-c", "import brodmann, torch"],
        env={**environment, **given, "OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    if "GOMP_SPINCOUNT" not in said:
        pytest.skip("torch's OpenMP runtime is not GNU's here")
    assert f"GOMP_SPINCOUNT = '{told}'" in said
