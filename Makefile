# Two commands: `make run` brings everything up, `make test` proves it. `make help` lists the rest.
PYTHON ?= python3
export PYTHON
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help run test unit fuzz faults lint check bench profile requirements clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 14
	@echo 'ARGS="..." is handed on, as in: make run ARGS=--simulator, make test ARGS="-k webhook"'

run: ## install what is missing, start everything (MongoDB, Valkey, api, worker) in the foreground
	@tools/bootstrap runtime
	@exec $(BIN)/manyline up $(ARGS)

test: ## the whole suite, on a real MongoDB and a real Valkey
	@tools/bootstrap dev
	@$(BIN)/python -m pytest $(ARGS)

unit: ## the unit tests alone: no servers, seconds
	@tools/bootstrap dev
	@$(BIN)/python -m pytest tests/unit $(ARGS)

fuzz: ## spoiled webhooks for ten minutes (FUZZ_SECONDS=...): nothing raises, no neighbour is lost
	@tools/bootstrap dev
	@$(BIN)/python -m tests.fuzz

faults: ## every fault of docs/faults.md, played on real processes: what holds (ARGS=--short: four minutes)
	@tools/bootstrap dev
	@$(BIN)/python -m tests.faults $(ARGS)

lint: ## style, format, types, import directions, and the rules of tools/lint
	@tools/bootstrap dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy -p tools
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.lint

check: lint test ## what must pass before a change is taken: lint and test

bench: ## measure beside the seeds' stack and the bare limit: 45 minutes (ARGS=--short: 3)
	@tools/bootstrap dev
	@$(BIN)/python -m bench $(ARGS)

profile: ## where each microsecond of the way in and the way out goes: tables and flame graphs
	@tools/bootstrap dev
	@$(BIN)/python -m bench profile $(ARGS)

# dev.txt is compiled against runtime.txt, so both hold the same pins.
COMPILE = pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --extra embedded
requirements: ## choose versions anew and pin them (add ARGS=--upgrade to move to the newest)
	@uv=$$(tools/bootstrap uv) && \
	$$uv $(COMPILE) -o requirements/runtime.txt $(ARGS) && \
	$$uv $(COMPILE) requirements/dev.in -c requirements/runtime.txt -o requirements/dev.txt $(ARGS)

clean: ## remove everything that was installed or cached; the data in .manyline stays
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench/out
	find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} +
