# Everything that a contributor needs. `make` lists the commands.
#
# To override:  make run ARGS="/var/log/*.log"      arguments of the command
#               make test PYTHON=python3.12         which Python makes the environment
#               make test VENV=/tmp/v               where the environment is

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

export PYTHON
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
TYPESCRIPT := 5.9.3
FRONTAIL := 4.9.2
TSC := $(VENV)/typescript-$(TYPESCRIPT)/node_modules/.bin/tsc
TYPES := $(VENV)/types
# What the faults are struck with.
FAULT_COMMANDS := logrotate faketime
# What the tests drive that is no Python package, by command.
TEST_COMMANDS := chromium curl nginx node zstd dockerd docker busybox $(FAULT_COMMANDS)
# Other people's clients for Node, that the tests drive.
CLIENTS := tests/node/node_modules/.installed

# What the relay is measured beside.
PEERS := $(VENV)/peers/.installed-$(FRONTAIL)

.PHONY: help run test check bench bench-peers faults types
.PHONY: check-format check-lint check-types check-imports check-generated check-page check-costs

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.run ## start the relay with what this host has, and print its page's address
	@exec $(BIN)/relay $(ARGS)

test: $(VENV)/.test $(CLIENTS) ## run all tests
	@tools/setup commands $(TEST_COMMANDS)
	@$(BIN)/python -m pytest $(ARGS)

check: check-format check-lint check-types check-imports check-generated check-page check-costs ## format, lint, types, import layers, generated files, and what the hot path does how often

bench: $(VENV)/.test ## measure against the floors
	@$(BIN)/python -m bench $(ARGS)

bench-peers: $(VENV)/.test $(PEERS) ## measure beside what a user would pick instead
	@$(BIN)/python -m bench --peers $(ARGS)

faults: $(VENV)/.test ## let 1,000 faults strike the relay, and judge what readers get
	@tools/setup commands $(FAULT_COMMANDS)
	@$(BIN)/python -m tests.faults $(ARGS)

check-format: $(VENV)/.test
	@$(BIN)/ruff format --check

check-lint: $(VENV)/.test
	@$(BIN)/ruff check

check-types: $(VENV)/.test
	@$(BIN)/mypy

check-imports: $(VENV)/.test
	@$(BIN)/lint-imports --no-logo

check-generated: $(VENV)/.test
	@$(BIN)/python tools/generate.py --check

check-page: $(TSC)
	@$(TSC) --project tools/tsconfig.pure.json
	@$(TSC) --project tools/tsconfig.json
	@$(TSC) --project tools/tsconfig.client.json --outDir $(TYPES)
	@$(BIN)/python tools/client_types.py $(TYPES) --check

types: $(TSC) ## write the types of the page's client, relay/static/client.d.ts
	@$(TSC) --project tools/tsconfig.client.json --outDir $(TYPES)
	@$(BIN)/python tools/client_types.py $(TYPES)

check-costs: $(VENV)/.test
	@$(BIN)/python -m pytest -q tests/web/test_costs.py

# The environment is made anew when the dependencies change. The second stamp rests on the
# first, so that `make -j` never runs two installations in one environment.
$(VENV)/.run: pyproject.toml
	@tools/setup venv $(VENV)
	@tools/setup install $(VENV) $@ ""

$(VENV)/.test: $(VENV)/.run
	@tools/setup install $(VENV) $@ test,dev

$(TSC): $(VENV)/.run
	@tools/setup typescript $(VENV)/typescript-$(TYPESCRIPT) $(TYPESCRIPT)
	@touch $@

$(PEERS): $(VENV)/.run
	@tools/setup peers $(VENV)/peers $(FRONTAIL)
	@touch $@

$(CLIENTS): tests/node/package.json
	@tools/setup packages tests/node
	@touch $@
