# Two commands on a machine that has Python 3.11 or newer:
#
#   make demo    set up .venv, audit the example models, write demo/report.html
#   make test    all tests
#
# Each group of packages is installed once; its stamp in .venv is newer than pyproject.toml while that holds.

PYTHON ?= python3
# An exact release: a looser spec may resolve to a build with several gigabytes of GPU libraries.
TORCH  ?= torch==2.13.0
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)

VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test lint format docs docs-serve clean

help:
	@echo "make demo | test | lint | format | docs | docs-serve | clean"

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Upweave needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@touch $@

# torch before everything, so that no other package's requirement chooses its build
$(VENV)/.torch: $(VENV)/.created
	$(PIP) '$(TORCH)'
	@touch $@

$(VENV)/.examples: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[examples]' '$(TORCH)'
	@touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[test]' '$(TORCH)'
	@touch $@

$(VENV)/.lint: $(VENV)/.test pyproject.toml
	$(PIP) --editable '.[lint]' '$(TORCH)'
	@touch $@

$(VENV)/.docs: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[docs]' '$(TORCH)'
	@touch $@

demo: $(VENV)/.examples
	$(BIN)/python -m examples.demo demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m scripts.readme_rules --check

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m scripts.readme_rules

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-serve: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

clean:
	rm -rf demo site build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
