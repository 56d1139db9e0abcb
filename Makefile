# Two commands set everything up on a fresh machine: make survey, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: survey test test-all lint types bench results

survey: $(INSTALLED)  ## train or load the digits zoo, survey it, write tables, figures and report
	$(BIN)/complexity-lab study run studies/digits.toml --out runs/digits

test: lint types  ## lint, types, fast tests and doctests
	$(BIN)/pytest

test-all: lint types  ## the slow tests too
	$(BIN)/pytest -m "not gpu and not network"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

bench: $(INSTALLED)  ## our speed against numpy.sum, pybdm, timm and a bare Python start
	$(BIN)/complexity-lab bench

TRAININGS := momos_table1_digits momos_every_digits momos_figure3_digits momos_figure4_digits
WATCHED := learning_digits overfitting_digits overfitting_decay_digits grokking

results: survey  ## run the studies that ship again: rows into data/, tables and figures into reports/
	set -e; for study in $(TRAININGS); do \
	  $(BIN)/complexity-lab study run studies/$$study.toml --out runs/$$study; \
	  rm -rf data/$$study reports/$$study; mkdir -p data/$$study reports/$$study; \
	  cp -r runs/$$study/runs runs/$$study/epochs runs/$$study/manifest.json data/$$study; \
	  cp -r runs/$$study/figures runs/$$study/table* reports/$$study; \
	done
	set -e; for study in $(WATCHED); do \
	  $(BIN)/complexity-lab study run studies/$$study.toml --out runs/$$study; \
	  rm -rf data/$$study reports/$$study; mkdir -p data/$$study reports/$$study; \
	  cp -r runs/$$study/steps runs/$$study/series runs/$$study/manifest.json data/$$study; \
	  cp -r runs/$$study/figures runs/$$study/trajectory.md reports/$$study; \
	done
	$(BIN)/complexity-lab study run studies/ptq_digits.toml --out runs/ptq_digits
	rm -rf data/ptq_digits reports/ptq_digits; mkdir -p data/ptq_digits reports/ptq_digits
	cp -r runs/ptq_digits/accuracies runs/ptq_digits/layers runs/ptq_digits/sensitivities runs/ptq_digits/manifest.json data/ptq_digits
	cp -r runs/ptq_digits/figures runs/ptq_digits/quantization.md reports/ptq_digits
	rm -rf data/digits reports/digits; mkdir -p data/digits reports/digits
	cp -r runs/digits/models runs/digits/measurements runs/digits/manifest.json data/digits
	cp -r runs/digits/figures runs/digits/report.html reports/digits

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,dask,duckdb]'
	touch $@
