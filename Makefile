# Every command below does its own set-up: Python 3.11 or newer and make are all that is needed.
# Another interpreter: `make setup PYTHON=python3.12`.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
SOURCES := src tests examples benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup check test selftest selftest-long demo bench bench-metrics fuzz format lint types imports interop prechelt clean

help:
	@echo "make setup   make .venv with everything a contributor needs"
	@echo "make demo    train on handwritten digits; curves and files go to runs/demo"
	@echo "make test    run the tests, every example in the docs among them, with coverage"
	@echo "make check   format, lint, types, import rules, tests: what a change has to pass"
	@echo "make selftest  kill, starve and unplug runs for minutes, and look that none is lost"
	@echo "make selftest-long  kill trainings at 20,000 points (an hour)"
	@echo "make bench   time the loop against a bare PyTorch loop"
	@echo "make bench-peers  time the same trainings in Keras, Lightning and others; writes benchmarks/RESULTS.md"
	@echo "make bench-metrics  time metrics beside torchmetrics and scikit-learn"
	@echo "make fuzz    load 200,000 changed model files; ARGS='--count 1000 --seed 7'"
	@echo "make interop exchange model files with Keras, in an environment of its own (minutes)"
	@echo "make prechelt  make the paper on early stopping again, in an hour; ARGS=--quick: a tenth of it"
	@echo "make format  let ruff put the code in its form"
	@echo "make clean   remove the environments, caches and runs"

setup: $(INSTALLED)

# Runs again only when what it installs has changed.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("epochal needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + "; try: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

check: lint types imports test

lint: $(INSTALLED)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports

test: $(INSTALLED)
	$(BIN)/python -m pytest --cov -n 2

selftest: $(INSTALLED)
	$(BIN)/python -m epochal selftest crash --points 2000 $(ARGS)
	$(BIN)/python -m epochal selftest faults --points 4000 $(ARGS)
	$(BIN)/python -m epochal selftest power --points 4000 $(ARGS)
	EPOCHAL_KILLS=100 $(BIN)/python -m pytest tests/resume/test_real_kills.py

selftest-long: $(INSTALLED)
	$(BIN)/python -m epochal selftest crash --points 20000 $(ARGS)

demo: $(INSTALLED)
	$(BIN)/python examples/demo.py $(ARGS)

bench: $(INSTALLED)
	$(BIN)/python benchmarks/run.py $(ARGS)

# Makes .venv-peers first: seven environments, 8 GB. Once made they stay.
bench-peers: $(INSTALLED)
	PYTHONPATH=benchmarks $(BIN)/python -m peers.run $(ARGS)
	PYTHONPATH=benchmarks $(BIN)/python -m peers.report

bench-metrics: $(INSTALLED)
	$(BIN)/python benchmarks/metrics.py $(ARGS)

fuzz: $(INSTALLED)
	$(BIN)/python tests/security/fuzz.py $(ARGS)

# Kept as it comes: cut it, start it again, and it goes on.
prechelt: $(INSTALLED)
	PYTHONPATH=benchmarks OMP_NUM_THREADS=1 $(BIN)/python -m prechelt $(ARGS)

format: $(INSTALLED)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

interop: $(INSTALLED)
	$(BIN)/python tests/interop/run.py $(ARGS)

clean:
	rm -rf .venv .venv-peers .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage runs
