# make setup   an editable installation in .venv
# make demo    the main job on the example company: dry run, run, run again
# make test    all tests, against real servers; installs the Debian packages they need
# make check   format, lint, types, directions of imports
# make bench   measurements against ldapsearch; takes a while (SIZES="1000 10000" for less)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SIZES ?= 1000 10000 50000 200000

.PHONY: setup demo test servers check format bench clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "dirsync needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh tests/servers/install.sh python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: setup
	@rm -rf demo && mkdir demo
	@echo '$$ dirsync run --dry-run      # what would happen' && $(BIN)/dirsync --config config.example.yaml run --dry-run
	@echo && echo '$$ dirsync run                # let it happen' && $(BIN)/dirsync --config config.example.yaml run
	@echo && echo '$$ dirsync run                # and once more' && $(BIN)/dirsync --config config.example.yaml run
	@echo && echo '$$ dirsync history' && $(BIN)/dirsync --config config.example.yaml history
	@echo && echo "Next: $(BIN)/dirsync init writes a config of your own; README.md explains the rest."

servers:
	@sh tests/servers/install.sh

test: setup servers
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/unit/test_architecture.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup servers
	$(BIN)/python -m benchmarks $(SIZES)

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
