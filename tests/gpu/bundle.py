"""Collects what the GPU check needs beside a stock PyTorch image, for a machine without internet.

    make gpu-bundle        (or: python tests/gpu/bundle.py gpu-wheels)

``gpu-wheels/*.whl`` are what such an image (Python 3.12, torch, an older transformers, numpy, scipy,
scikit-learn, pandas) lacks, in the versions of ``locks/``; of bitsandbytes, the library for one toolkit only.
``gpu-wheels/tokenizer`` is the embedded model's tokenizer with its chat template: the check's large models
have random weights, but read real prompts.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MIB = 60
# What the passes import and the image lacks; packages of packed weights; then what they are timed against.
RUNTIME = (
    *("transformers", "tokenizers"),
    *("nnsight", "greenlet", "cloudpickle", "websocket-client", "zstandard"),
    *("pydantic", "pydantic-core", "annotated-types", "typing-inspection", "typing-extensions"),
)
PACKED = ("bitsandbytes", "compressed-tensors", "loguru")
COMPARED = ("nilearn", "nibabel")
# bitsandbytes brings a library for each toolkit, 130 MB in all.
TOOLKIT = "cuda130"
_LIBRARY = re.compile(r"bitsandbytes/libbitsandbytes_(?P<toolkit>(?:cuda|rocm|xpu)\w+)\.so")
PLATFORMS = ("2_28", "2_27", "2_24", "2_17", "2_12", "2_5")
OLD_PLATFORMS = ("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64")
TOKENIZER_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def pinned(names: tuple[str, ...]) -> list[str]:
    """``name==version`` of each, as locked (dev.txt holds all of runtime.txt)."""
    text = (ROOT / "locks" / "dev.txt").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ \\]+)", text, re.M))
    return [f"{name}=={versions[name]}" for name in names]


def download(folder: Path) -> None:
    """The wheels, for Python 3.12 on x86-64 Linux, whatever this machine is."""
    platforms = (*(f"manylinux_{one}_x86_64" for one in PLATFORMS), *OLD_PLATFORMS)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--python-version", "3.12", "--implementation", "cp"]
    for platform in platforms:
        command += ["--platform", platform]
    subprocess.run([*command, *pinned(RUNTIME + PACKED + COMPARED)], check=True)


def trim(wheel: Path) -> None:
    """Leave a wheel's libraries of other toolkits out, also in its list of files."""

    def is_other(text: str) -> bool:
        found = _LIBRARY.match(text)
        return found is not None and found["toolkit"] != TOOLKIT

    whole = wheel.rename(wheel.with_suffix(".whole"))
    with (
        zipfile.ZipFile(whole) as old,
        zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            if is_other(name):
                continue
            content = old.read(name)
            if name.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(line for line in lines if not is_other(line)).encode()
            new.writestr(old.getinfo(name), content)
    whole.unlink()


def copy_tokenizer(folder: Path) -> None:
    """Of the embedded model, whose weights are left behind."""
    from brodmann.config.load import load_config
    from brodmann.models.cache import Cache
    from brodmann.models.sources import fetch, locate

    entry, cache = load_config([ROOT / "config.yaml"], root=ROOT).study.model("smollm2"), Cache()
    weights = locate(entry, cache, fetch(entry, cache))
    folder.mkdir()
    for name in TOKENIZER_FILES:
        if (Path(weights) / name).is_file():
            shutil.copyfile(Path(weights) / name, folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "gpu-wheels")
    folder = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    download(folder)
    for wheel in folder.glob("bitsandbytes-*.whl"):
        trim(wheel)
    copy_tokenizer(folder / "tokenizer")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    print(f"{folder}: {size:.1f} MiB")
    if size > LIMIT_MIB:
        sys.exit(f"more than {LIMIT_MIB} MiB: leave something out")


if __name__ == "__main__":
    main()
