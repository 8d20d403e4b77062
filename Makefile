# Each target sets up what it needs. The same steps in plain pip lines stand in README.md.

PYTHON ?= $(shell for candidate in python3.12 python3.13 python3.14 python3; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1 && echo $$candidate && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.firesale-ready

.PHONY: setup run test lint bench notebooks clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): pyproject.toml setup.py constraints.txt $(wildcard sim/*.pyx)
	@test -n "$(PYTHON)" || { echo "firesale needs Python 3.12 or newer; set PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

run: setup
	$(BIN)/firesale run ten_thousand_h100 --overwrite

test: setup
	$(BIN)/python -m pytest -q -m "not slow"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/firesale bench

notebooks: setup
	$(BIN)/firesale notebooks

clean:
	rm -rf $(VENV) build dist *.egg-info sim/*.c sim/*.so
