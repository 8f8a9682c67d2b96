# Every target makes the environment that it needs; nothing has to be installed by hand but Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BARE := .venv-bare
PIP_FLAGS := --quiet --disable-pip-version-check
CONSTRAINTS := -c constraints.txt

.PHONY: help demo examples test slow quick bare lint types docs docs-check bench fuzz format record clean

help:            ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## +/\t/' | expand -t 14

$(VENV)/.core: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "kerasdx needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $(PIP_FLAGS) --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install $(PIP_FLAGS) $(CONSTRAINTS) --editable .
	@touch $@

$(VENV)/.tune: $(VENV)/.core
	@echo "Installing what training needs (TensorFlow, MLflow: a few minutes the first time) ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) $(CONSTRAINTS) --editable '.[tune]'
	@touch $@

$(VENV)/.test: $(VENV)/.core
	@echo "Installing what the tests need (TensorFlow, MLflow, TensorBoard: a few minutes the first time) ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) $(CONSTRAINTS) --editable '.[hub,distributed]' --group test --group lint
	@touch $@

demo: $(VENV)/.tune  ## Search on the bundled digits, with rates so wide that some trials are sick: watched, diagnosed, compared
	@$(BIN)/tune search mlp --data digits --space 'optimizer.learning_rate=1e-4..10 log' --strategy random --time 110s \
	  --epochs 12 --output runs/demo
	@mkdir -p reports
	@$(BIN)/tune show runs/demo --html reports/demo.html
	@echo "Compare the trials in MLflow: $(BIN)/tune ui"
	@echo "One training: $(BIN)/tune train cnn --data digits.   Your own log: $(BIN)/diagnose run.csv"
	@echo "What sick trainings look like: make examples"

examples: $(VENV)/.core  ## Diagnose the recorded example runs
	@$(BIN)/diagnose examples/logs --fail-on never
	@mkdir -p reports
	@$(BIN)/diagnose examples/logs --format html --output reports/examples.html --fail-on never
	@echo "The same as a page: reports/examples.html.   Your own log: $(BIN)/diagnose run.csv"
	@echo "Faults in layers, as Monitor records them: $(BIN)/diagnose examples/layers/logs"

test: $(VENV)/.test bare  ## Run the tests, and the bare-install job
	@$(BIN)/python -m pytest -n 2 -m "not slow and not keras"
	@$(BIN)/python -m pytest -n 2 -m "not slow and keras and not long"

slow: $(VENV)/.test  ## Run the tests that take about a minute each, and the long ones with TensorFlow
	@$(BIN)/python -m pytest -n 2 -m "slow or (keras and long)"

quick: $(VENV)/.test  ## Run the tests that take less than ten seconds
	@$(BIN)/python -m pytest -n 2 -m "not long and not slow and not keras and not browser"

bare: $(VENV)/.core  ## Test the built wheel with the core dependencies only (no TensorFlow)
	@rm -rf $(BARE) build/bare && mkdir -p build/bare
	@$(PYTHON) -m venv $(BARE)
	@$(BARE)/bin/python -m pip install $(PIP_FLAGS) --upgrade 'pip>=25.1'
	@$(BARE)/bin/python -m pip wheel $(PIP_FLAGS) --no-deps --wheel-dir build/bare .
	@$(BARE)/bin/python -m pip install $(PIP_FLAGS) $(CONSTRAINTS) build/bare/*.whl --group bare-test
	@scripts/bare_job.sh $(BARE)

lint: $(VENV)/.test  ## Check style and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.test  ## Check types
	@$(BIN)/mypy

format: $(VENV)/.test  ## Format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs: $(VENV)/.core  ## Write the generated pages: one per check, with a picture
	@$(BIN)/python -m scripts.build_docs

docs-check: $(VENV)/.core  ## Fail where a generated page is not current or a link is broken
	@$(BIN)/python -m scripts.build_docs --check

bench: $(VENV)/.test  ## Print every measured bar (hours: the searches alone take two)
	@$(BIN)/python -m pip install $(PIP_FLAGS) $(CONSTRAINTS) --group bench
	@$(BIN)/python -m benchmarks.startup
	@$(BIN)/python -m benchmarks.bulk
	@$(BIN)/python -m benchmarks.faults.evaluate
	@$(BIN)/python -m benchmarks.faults.layers.evaluate
	@$(BIN)/python -m benchmarks.live --half test
	@$(BIN)/python -m benchmarks.overhead
	@$(BIN)/python -m benchmarks.recipes
	@$(BIN)/python -m benchmarks.tracking cost
	@$(BIN)/python -m benchmarks.tracking thousand
	@$(BIN)/python -m benchmarks.audit --misses
	@$(BIN)/python -m benchmarks.audit.speed
	@$(BIN)/python -m tests.checks.test_random_splits 380
	@$(BIN)/python -m benchmarks.search rate
	@$(BIN)/python -m benchmarks.search workers
	@$(BIN)/python -m benchmarks.search
	@$(BIN)/python -m benchmarks.search report
	@$(BIN)/python -m benchmarks.search wrongly-stopped

fuzz: $(VENV)/.test  ## Fuzz the readers for a minute, guided by coverage
	@$(BIN)/python -m pip install $(PIP_FLAGS) $(CONSTRAINTS) --group fuzz
	@$(BIN)/python -m benchmarks.fuzz.readers --seconds 60

record: $(VENV)/.test  ## Train the example runs again
	@$(BIN)/python examples/record.py

clean:           ## Remove what the other targets made
	rm -rf $(VENV) $(BARE) build reports .pytest_cache .ruff_cache .mypy_cache
