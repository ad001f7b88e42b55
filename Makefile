# Needs python3 (3.11 or newer) and make, nothing else. `make` alone lists what there is.

PYTHON ?= python3
VENV ?= .venv
# pytest processes; on two idle cores two take 71 s and one 106 s. 0 runs the tests in this one.
WORKERS ?= 2

BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest -n $(WORKERS)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A stamp is touched when its step is complete, so that an interrupted one is taken up again.
MADE := $(VENV)/.made
INSTALLED := $(VENV)/.installed
WITH_SPARK := $(VENV)/.installed-spark

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-integration test-all check format install clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='|' read -r target what; do printf '%-26s%s\n' "  $$target" "$$what"; done

demo: $(INSTALLED) ## the main job on the demo shop: prepare, train, export, evaluate
	$(BIN)/shortlist demo

test: $(INSTALLED) ## the default tests
	$(PYTEST)

test-slow: $(INSTALLED) ## tests that take longer: exports of every model, real data sets where they are there
	$(PYTEST) -m "slow and not integration and not gpu and not bench"

test-integration: $(WITH_SPARK) ## tests that need another system; Spark's need Java 17 or newer
	$(PYTEST) --dist loadfile -m "integration and not gpu"

test-all: $(WITH_SPARK) ## all tests but those that need a GPU and the benchmarks
	$(PYTEST) --dist loadfile -m "not gpu and not bench"

check: $(INSTALLED) ## lint, format, types and import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(INSTALLED) ## put the code into the form that `make check` asks for
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

install: $(INSTALLED) ## the environment alone

clean: ## remove the environment, caches and builds; runs stay
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

FOR := make $(or $(MAKECMDGOALS),demo)

$(MADE):
	@$(PYTHON) -c 'pass' \
		|| { echo "'$(PYTHON)' does not run here. Name your Python: $(FOR) PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Shortlist needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
		"Name a newer one: $(FOR) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
		|| { echo "'$(PYTHON)' lacks the venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(INSTALLED): pyproject.toml $(MADE)
	@echo "installing into $(VENV): minutes the first time, nothing the next"
	@$(PIP) install --editable '.[dev]'
	@touch $@

$(WITH_SPARK): $(INSTALLED)
	@echo "installing Spark into $(VENV)"
	@$(PIP) install --editable '.[dev,spark]'
	@touch $@
