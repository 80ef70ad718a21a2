# `make help` lists the targets. Everything lives in .venv and .data below this folder.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help install install-dev up test check fmt format lint types floors bench docs plugins lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14

install: $(VENV)/.installed ## make .venv and install what the desk needs

install-dev: $(VENV)/.installed-dev ## the same, with what tests, checks and docs need

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Plumbline needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "cannot make $(VENV): on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }

# uv installs in a fraction of pip's time; where it cannot be had or fails, pip does.
define install_from
	@echo "installing $(1)"
	@if $(BIN)/uv --version >/dev/null 2>&1 || $(RUN) -m pip install --quiet --disable-pip-version-check uv 2>/dev/null; then \
	  $(BIN)/uv pip install --quiet --python $(RUN) --compile-bytecode -r $(1) && exit 0; \
	  echo "uv could not install; trying pip, which takes minutes" >&2; \
	fi; \
	$(RUN) -m pip install --quiet --disable-pip-version-check -r $(1)
endef

$(VENV)/.installed: requirements.txt | $(RUN)
	$(call install_from,requirements.txt)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(call install_from,requirements-dev.txt)
	@touch $@

up: install ## start the desk; Ctrl-C stops it; PORT=8001 moves the page
	@exec $(RUN) manage.py up

# One process per core, four at most: each has a database of its own on one private server.
# A file stays on one process: tests of the sandbox look at every sandbox of the server.
test: install-dev ## run every test on real services of their own
	@$(RUN) -m pytest -rfEs -n logical --maxprocesses 4 --dist loadfile

check: fmt lint types floors test docs ## all that must be green before a commit

fmt: install-dev ## are all files formatted
	@$(BIN)/ruff format --check .

format: install-dev ## format them
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

lint: install-dev ## ruff, spelling, dependencies
	@$(BIN)/ruff check .
	@$(BIN)/typos
	@$(BIN)/deptry . 2>/dev/null || $(BIN)/deptry .

types: install-dev ## mypy
	@$(BIN)/mypy

floors: install-dev ## do imports point down
	@$(BIN)/lint-imports --no-logo

bench: install ## measure what docs/benchmarks reports
	@$(RUN) -m benchmarks

docs: install-dev ## build the manual into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

plugins: install ## list every plug-in
	@$(RUN) manage.py plugins

lock: install-dev ## compile requirements*.in into pinned files with hashes
	@$(BIN)/uv --version >/dev/null 2>&1 || $(RUN) -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 requirements.in -o requirements.txt
	@$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 requirements-crypto.in -o requirements-crypto.txt
	@$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 requirements-dev.in -o requirements-dev.txt
