# Two promises: `make demo` and `make test` work on a fresh machine, each alone.
# Everything is installed into .venv from a lock with hashes; nothing else is touched.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready-run
DEV    := $(VENV)/.ready-dev
FUZZ   := $(VENV)/.ready-fuzz
NODE   := tests/interop/node_modules/.ready

.PHONY: demo run test check .pyright .mypy .style bench kills sim model mutants fuzz docs lock interop-deps help clean

demo: $(READY)  ## three nodes, two organisations, one person: the whole story in about a minute
	@$(BIN)/entrenous demo $(ARGS)

run: $(READY)  ## your own node: the first start makes a home and shows the recovery words
	@echo 'To type `entrenous` in another terminal, first type there:  . $(CURDIR)/$(BIN)/activate'
	@$(BIN)/entrenous up --init $(ARGS)

test: $(DEV) interop-deps  ## everything that CI runs, but for the type checkers
	$(BIN)/pytest -q -n 2 --dist loadfile $(ARGS)

check: $(DEV)  ## mypy, pyright, ruff, import-linter
	@$(MAKE) --no-print-directory --jobs 2 --output-sync --keep-going .pyright .mypy .style

.pyright:
	$(BIN)/pyright

.mypy:
	$(BIN)/mypy

.style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=.import $(BIN)/lint-imports

bench: $(DEV)  ## ratios against a limit measured in the same run
	$(BIN)/python -m tests.benchmarks $(ARGS)

kills: $(DEV)  ## real nodes killed inside every step: make kills KILLS=100
	KILLS=$(or $(KILLS),10) $(BIN)/pytest -q tests/flows/test_kills.py tests/flows/test_parcel_kills.py tests/flows/test_device_kills.py tests/flows/test_bad_disk.py $(ARGS)

sim: $(DEV)  ## simulated weeks: make sim ARGS="--seeds 100"
	$(BIN)/python -m entrenous.simulations $(ARGS)

model: $(DEV)  ## a state machine on real nodes against a model, ten minutes: make model ARGS=--smoke is one
	$(BIN)/python -m entrenous.tests.model $(ARGS)

mutants: $(DEV)  ## small faults put into the core, and how many the tests catch: make mutants ARGS="protocol/wire"
	$(BIN)/python -m entrenous.tests.mutation.run $(ARGS)

fuzz: $(FUZZ)  ## every decoder and reader, ten minutes: make fuzz ARGS=--smoke is one
	$(BIN)/python -m entrenous.tests.fuzz $(ARGS)

docs: $(DEV)  ## write the examples, tables and drawings of docs/ again from the code
	$(BIN)/python -m entrenous.tests.vectors.open_vectors
	$(BIN)/python -m entrenous.tests.protocol.test_spec_examples
	$(BIN)/python -m entrenous.tests.protocol.test_session_doc
	$(BIN)/python -m entrenous.tests.apps.test_readers_doc
	$(BIN)/python -m entrenous.tests.apps.test_services_doc
	$(BIN)/python -m entrenous.tests.test_licences
	$(BIN)/python -m entrenous.tests.test_architecture

interop-deps: $(NODE)

$(NODE): tests/interop/package-lock.json
	@if command -v npm >/dev/null; then \
		cd tests/interop && npm ci --no-audit --no-fund --silent && touch node_modules/.ready; \
	else echo "npm is not here: tokens are not held against another implementation"; fi

$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): $(READY) requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	# trio-typing, which libp2p asks for, installs stubs that are older than trio's own types and hide them
	rm -rf $(VENV)/lib/python3*/site-packages/trio-stubs
	@touch $@

# It is built for some machines only; where it is not, the same targets run without coverage.
$(FUZZ): $(DEV) requirements-fuzz.lock
	-$(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-fuzz.lock
	@touch $@

lock: $(DEV)  ## make the locks again from pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock pyproject.toml --group build
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements-dev.lock pyproject.toml --group build --group dev
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements-fuzz.lock --group fuzz

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 16

clean:  ## remove everything that was installed or built
	rm -rf $(VENV) tests/interop/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
