# make demo   a complete search on the embedded dijet ntuples, in a virtual environment of its own
# make test   style, types and tests
# Variables: PYTHON (3.11 to 3.13), VENV, PIP_FLAGS (for example an index of CPU-only wheels), PYTEST_FLAGS, DEMO_FLAGS

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST_FLAGS ?= -n 2
DEMO_FLAGS ?=

.PHONY: demo test lint types unit install clean

demo: $(INSTALLED)
	$(BIN)/cathode demo $(DEMO_FLAGS)

test: lint types unit

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

# One thread per worker: small networks and trees lose more by sharing cores than they gain by threads.
unit: export OMP_NUM_THREADS ?= 1
unit: $(INSTALLED)
	$(BIN)/pytest $(PYTEST_FLAGS)

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found; say which: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else f"{sys.executable} is Python {v[0]}.{v[1]}; Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --prefer-binary $(PIP_FLAGS) -c constraints.txt -e '.[dev,simulation]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
