# make demo   a complete search on the embedded dijet ntuples, in a virtual environment of its own
# make test   style, types and tests
# make docs   the documentation as a site in build/docs; warnings are errors
# make release-check   wheel and sdist, checked, the demo from the wheel in an environment of its own, every extra used
# make test-lowest   the tests of reading and of searches with the lowest versions that are allowed
# Variables: PYTHON (3.11 to 3.13), VENV, PIP_FLAGS (for example an index of CPU-only wheels), PYTEST_FLAGS, DEMO_FLAGS

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST_FLAGS ?= -n 2
DEMO_FLAGS ?=

.PHONY: demo test test-lowest lint types unit docs release-check install clean

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

docs: $(INSTALLED)
	$(BIN)/python tools/make_docs.py build/docs

# What a user gets: the wheel alone, far from the source, with what it declares.
RELEASE := build/release
release-check: $(INSTALLED)
	rm -rf dist $(RELEASE)
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m venv $(RELEASE)
	$(RELEASE)/bin/pip install --quiet --prefer-binary $(PIP_FLAGS) -c constraints.txt dist/*.whl
	cd $(RELEASE) && bin/cathode --version && bin/cathode demo --quick
	cd $(RELEASE) && for name in nanoaod physlite lhco full-phase-space showers; do \
		bin/cathode config example $$name >$$name.yaml && bin/cathode config check --quiet $$name.yaml || exit 1; done
	$(BIN)/python tools/check_extras.py $(RELEASE) dist/*.whl -- $(PIP_FLAGS)

# An environment of its own beside the other one. Old libraries warn of what newer ones have changed, so here a warning
# is no error; pandas and tables are asked for by tests, and wanted at their lowest as well.
LOWEST := $(VENV)-lowest
LOWEST_TESTS := tests/analysis tests/cathode/test_search.py tests/cathode/test_commands.py tests/cathode/config tests/cathode/cli
test-lowest: export OMP_NUM_THREADS ?= 1
test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/pytest $(PYTEST_FLAGS) -W default -m 'not slow' $(LOWEST_TESTS)

$(LOWEST)/.installed: pyproject.toml constraints-lowest.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found; say which: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --prefer-binary $(PIP_FLAGS) \
		-c constraints-lowest.txt -e . pandas==2.2.2 tables==3.10.1 pytest pytest-xdist hypothesis
	@touch $@

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found; say which: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else f"{sys.executable} is Python {v[0]}.{v[1]}; Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --prefer-binary $(PIP_FLAGS) -c constraints.txt -e '.[dev,simulation]'
	@touch $@

clean:
	rm -rf $(VENV) $(LOWEST) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
