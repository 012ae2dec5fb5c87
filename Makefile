# make run: the platform and its page.  make test: everything that is checked.
PYTHON ?= python3
VENV := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup run test lint types imports unit infrastructure integration browser workflow-lint workflows bench \
	loadtest drill clean

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## prepare .venv (a second time takes a second)
	@$(PYTHON) scripts/setup.py

run: setup ## run the platform with recorded figures; ARGS="--from 2022-05-07" and so on
	@$(VENV)/python -m localcloud $(ARGS)

# First whole platforms, which want the machine for themselves; then the rest, in two processes.
test: setup lint types imports ## run every check and every test
	@$(VENV)/python -m pytest tests/e2e tests/workflows $(ARGS); platforms=$$?; \
	$(VENV)/python -m pytest -n 2 --dist loadgroup tests/contract tests/functional tests/infrastructure tests/unit $(ARGS) \
	&& exit $$platforms

lint: setup ## style
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .

types: setup ## types, strict on what runs in Lambda
	@$(VENV)/mypy

imports: setup ## the direction of imports
	@$(VENV)/lint-imports --no-cache | tail -n 2

unit: setup ## the tests that need no server
	@$(VENV)/python -m pytest tests/unit $(ARGS)

infrastructure: setup ## the tests of the template: network, roles, encryption, linters, costs
	@$(VENV)/python -m pytest tests/infrastructure $(ARGS)

integration: setup ## the tests against real servers: Redis, PostgreSQL, the AWS emulator
	@$(VENV)/python -m pytest tests/contract tests/functional $(ARGS)

browser: setup ## the tests of everything together, as a person and a browser meet it
	@$(VENV)/python -m pytest tests/e2e $(ARGS)

workflow-lint: setup ## actionlint and zizmor, as strict as they can be
	@$(VENV)/python -m scripts.scan workflows

workflows: setup ## run .github's workflows on this machine: checks, a deployment, a promotion, a bad version; ARGS="test"
	@$(VENV)/python -m scripts.workflows $(ARGS)

bench: setup ## the benchmarks, one JSON object each
	@$(VENV)/python -m benchmarks.process --json
	@$(VENV)/python -m benchmarks.deliver --json
	@$(VENV)/python -m benchmarks.stream --connections 1000 --json
	@$(VENV)/python -m benchmarks.query --json
	@$(VENV)/python -m benchmarks.rules --json
	@$(VENV)/python -m benchmarks.outage --json

loadtest: setup ## load, then the latency alarms' verdict; USERS=500 DURATION=60s SHAPE=storm ARGS="--inject-latency 300ms"
	@$(VENV)/python -m loadtests --users $(or $(USERS),100) --duration $(or $(DURATION),60s) --shape $(or $(SHAPE),steady) $(ARGS)

drill: setup ## destroy and restore every store of a platform of this machine's own; ARGS="--json"
	@$(VENV)/python -m scripts.drill $(ARGS)

clean: ## remove what setup and the tools made
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis
