# Everything is set up by the command that needs it: make demo, make test.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   ?= demo-account

.PHONY: demo test check bench picture clean
.DEFAULT_GOAL := demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.tests: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,check]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed   ## a demo account in ./demo-account, and the console on it
	@$(BIN)/dfos demo --root $(DEMO) $(ARGS)

test: $(VENV)/.tests       ## the whole suite
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.tests      ## style, types, who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.tests      ## measure, and write docs/performance.md
	$(BIN)/python -m benchmarks

picture: $(VENV)/.tests    ## the picture of the screen in README.md
	$(BIN)/python -m benchmarks.picture docs/monitor.svg

clean:
	rm -rf $(VENV) build dist *.egg-info
