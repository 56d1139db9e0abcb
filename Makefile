# Two commands set everything up on a fresh machine: make survey, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: survey test test-all lint types bench results

survey: $(INSTALLED)  ## train or load the digits zoo, survey it, write tables, figures and report
	$(BIN)/complexity-lab study run studies/digits.toml --out runs/digits

test: lint types  ## lint, types, fast tests and doctests
	$(BIN)/pytest -n logical --dist worksteal

test-all: lint types  ## the slow tests too
	$(BIN)/pytest -n logical --dist worksteal -m "not gpu and not network"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

bench: $(INSTALLED)  ## our speed against numpy.sum, pybdm, timm and a bare Python start
	$(BIN)/complexity-lab bench

SHIPPED := digits learning_digits overfitting_digits overfitting_decay_digits grokking ptq_digits \
  momos_every_digits momos_figure3_digits momos_figure4_digits momos_table1_digits

results: $(INSTALLED)  ## run the studies that ship again: tables into data/, pages and pictures into reports/
	set -e; for study in $(SHIPPED); do \
	  $(BIN)/complexity-lab study run studies/$$study.toml --out runs/$$study; \
	  $(BIN)/complexity-lab study publish $$study; \
	done

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,dask,duckdb]'
	touch $@
