# Every target creates and uses .venv in this folder. `make demo` and `make test` are all the set-up.
# Another Python beside it: `make test-fast VENV=.venv-3.13 PYTHON=python3.13`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
DEMO ?= demo-run
N ?= 1000
SEED ?= 0

.PHONY: demo test test-fast test-long coverage test-adapters test-bde fuzz check bench docs docs-tables docs-modules lock clean

$(VENV)/.ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "onebasin needs Python 3.11 or later. Got " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	# The lock names every package, so nothing is left to resolve.
	$(UV_INSTALL) --no-deps --requirements requirements.txt --editable .
	touch $@

# Tests start many processes. Bytecode saves each of them seconds where Python may not write it.
$(VENV)/.compiled: $(VENV)/.ready
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib
	touch $@

demo: $(VENV)/.ready  ## From embedded data to a report on every weight (two to three minutes).
	$(BIN)/onebasin run digits --out $(DEMO)

# Files or options for the tests: `make test FILE=tests/alignment`, `make test-fast FILE=--lf`.
FILE ?=
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile

test: $(VENV)/.compiled  ## All tests but those that take minutes each.
	$(PYTEST) -m "not long" $(FILE)

test-fast: $(VENV)/.compiled  ## Tests that take little: all of them within two minutes.
	$(PYTEST) -m "not slow and not long" $(FILE)

test-long: $(VENV)/.compiled  ## Tests that take minutes each, before a release.
	$(PYTEST) -m long $(FILE)

coverage: $(VENV)/.compiled  ## The fast tests, and how many lines of the library they reach.
	COVERAGE_CORE=sysmon $(PYTEST) -m "not slow and not long" --cov $(FILE)

fuzz: $(VENV)/.compiled  ## find_symmetry tried on N random programs, on others with another SEED.
	FUZZ_PROGRAMS=$(N) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -n 2 -v tests/fuzz

# Whatever these libraries would like, the locked versions stay.
$(VENV)/.adapters: $(VENV)/.compiled
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.txt \
		--editable '.[torch,flax,haiku]' torch==2.13.0 torchax==0.0.13
	touch $@

test-adapters: $(VENV)/.adapters  ## Networks of PyTorch, Flax and Haiku: installs these, then tests.
	$(BIN)/python -c 'import torch, importlib.metadata as m, flax, haiku; m.version("torchax")'  # tests skip what is missing
	$(PYTEST) tests/adapters $(addprefix tests/interchange/test_,damaged_files.py draws_page.py \
		from_numpyro.py from_state_dicts.py masks_to_torch.py) \
		$(addprefix tests/merging/test_,merging_page.py repair.py trained_networks.py) \
		$(addprefix tests/test_,cli_merge.py cli_prune.py pruning_page.py) \
		-m "not long"

# bde pins an older BlackJAX, which nothing of its tests needs a newer one of.
$(VENV)-bde/.ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)-bde
	$(VENV)-bde/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(VENV)-bde/bin/uv pip install --quiet --python $(VENV)-bde/bin/python --no-deps --requirements requirements.txt --editable .
	$(VENV)-bde/bin/uv pip install --quiet --python $(VENV)-bde/bin/python 'sklearn-contrib-bde>=1.0.2'
	touch $@

test-bde: $(VENV)-bde/.ready  ## Draws of bde, in an environment of its own.
	$(VENV)-bde/bin/python -c 'import bde'  # tests skip what cannot be imported
	$(VENV)-bde/bin/python -m pytest tests/interchange/test_from_bde.py tests/interchange/test_draws_page.py -k bde

check: $(VENV)/.ready  ## Format, lint, types, and who may import whom.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(VENV)/.ready  ## Speed, as ratios against a peer and against the floor.
	$(BIN)/python -m benchmarks

docs-tables: $(VENV)/.ready  ## The tables of keys in the documentation, from the types.
	$(BIN)/python -m onebasin.run.docs docs

docs-modules: $(VENV)/.adapters  ## The table of PyTorch modules, from the tests of them.
	$(BIN)/python tests/adapters/torch_table.py docs/pytorch-modules.md

docs: docs-tables  ## The documentation as pages, in site/.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	$(BIN)/zensical build --clean --strict

lock: $(VENV)/.ready  ## Compile requirements.txt anew from pyproject.toml.
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-header --no-annotate \
		--extra test --extra check pyproject.toml --output-file requirements.txt

clean:
	rm -rf .venv .venv-* .jax_cache site demo-run
