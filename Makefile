# Two commands on a fresh machine: `make run` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# The first Python of 3.11 or newer; `make PYTHON=/path/to/python3` names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$p; break; fi; done)
TORCH := $(shell grep '^torch==' requirements.txt)

.PHONY: run setup setup-dev browser test bench lint lock

run: setup
	$(BIN)/python app.py $(ARGS)

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.txt requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it," \
		"or name it: make setup PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python cannot make virtual" \
		"environments; install its venv package (on Debian and Ubuntu: python3-venv)."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --require-hashes --no-deps -r requirements.lock
	$(PIP) install --quiet $(TORCH)
	@touch $@

setup-dev: $(VENV)/.ready-dev

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	$(PIP) install --quiet --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

# A headless browser for the tests of the page: one that is there, else the system's, else
# playwright's own.
browser: setup-dev
	@.ci/browser $(BIN)/python

# Two files of tests at a time, whole files: what the tests of one share is made once. `WORKERS=0`
# runs them one after another in one process, as a debugger wants it.
WORKERS ?= 2

test: setup-dev browser
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

bench: setup-dev
	$(BIN)/python -m benchmarks.streaming $(ARGS)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/mypy

# After a change of requirements*.txt: resolve again, for every platform.
lock:
	PYTHON=$(PYTHON) .ci/lock
