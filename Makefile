# Each target sets up what it needs in .venv, inside this checkout, and nothing outside of it.
# Needed on the machine: Python 3.11 or newer, make, and the network for the first time.

.POSIX:
.SUFFIXES:
.PHONY: help run demo test check format bench constraints clean

# PYTHON, from the environment or the command line, is the interpreter to build .venv with; without it, tools/setup.sh
# takes the first fitting one. It is not set here, since that would hide the environment's.

# More arguments for the command that a target runs: make run ARGS=--solo, make test ARGS="tests/rpc -x"
ARGS =

SETUP = @PYTHON="$(PYTHON)" sh tools/setup.sh
BIN = .venv/bin

help:          ## what each target does
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{ printf "%-18s %s\n", $$1, $$2 }'

run:           ## run the shop on this machine, behind http://localhost:8080
	$(SETUP) local
	@AUTH_DEV_ACCOUNTS=true $(BIN)/partita dev examples.shop.system:system $(ARGS)

demo:          ## buy something in the shop, showing each HTTP exchange
	$(SETUP) local
	@$(BIN)/python -m examples.shop.demo --start $(ARGS)

test:          ## run the tests
	$(SETUP) dev,local
	@$(BIN)/python -m pytest $(ARGS)

check:         ## formatting, lint, types and floors
	$(SETUP) dev,local
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/pyright --project pyproject.toml

format:        ## format the code and mend what ruff can mend
	$(SETUP) dev,local
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench:         ## measure Partita beside FastAPI and Starlette
	$(SETUP) dev,local
	@$(BIN)/python -m benchmarks $(ARGS)

constraints:   ## resolve the newest versions and pin them in constraints.txt
	@PYTHON="$(PYTHON)" sh tools/constraints.sh

clean:         ## remove .venv, the shop's data and the tools' caches
	rm -rf .venv .partita .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find src tests examples benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
