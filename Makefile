# `make demo` and `make test` need Python 3.11 or newer, make, and a package index; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
TEST_JOBS ?= 3
FUZZ_CASES ?= 20000
export PYTHONWARNINGS ?= ignore::DeprecationWarning
# What a target says is seen at once, in a file too.
export PYTHONUNBUFFERED ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo run worker test test-semantic faults browser bench bench-rights fuzz mutants soak check fmt lint types imports migrations lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.runtime: requirements.txt requirements-demo.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-demo.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.runtime ## everything on this machine, with two tenants on real data; RESET=1 starts over
	@$(BIN)/python manage.py demo --port $(PORT) $(if $(RESET),--reset)

run: $(VENV)/.runtime ## the web process alone
	@$(BIN)/python manage.py migrate --verbosity 0 && $(BIN)/python manage.py build_assets && $(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@OMNI_PUBLIC_PORT=$(PORT) $(BIN)/gunicorn --config python:omni.serving omni.wsgi --bind 127.0.0.1:$(PORT)

worker: $(VENV)/.runtime ## worker and beat alone
	@OMNI_PROCESS=worker $(BIN)/celery -A omni worker --beat --concurrency 4 --loglevel WARNING

test: $(VENV)/.dev ## the whole suite but the browser's
	@$(BIN)/python -m pytest -n $(TEST_JOBS) --dist worksteal -q
	@$(BIN)/python -m pytest tests/faults -q -m "not slow"

faults: $(VENV)/.dev ## of these, faults done to real processes of an installation of their own
	@$(BIN)/python -m pytest tests/faults -q -m "not slow"

test-semantic: $(VENV)/.dev ## the compiler alone
	@$(BIN)/python -m pytest tests/semantic -q

browser: $(VENV)/.dev ## the stories, in Chromium (Debian: apt-get install chromium)
	@$(BIN)/python -m pytest tests/browser -q -p no:randomly

bench-rights: $(VENV)/.dev ## of these, rights among ten million permissions alone (OMNI_BENCH_RIGHTS_SCALE=0.01 is quick)
	@$(BIN)/python -m tests.bench.scale

fuzz: $(VENV)/.dev ## 20,000 random models, people and questions against the slow evaluator, on each database
	@OMNI_FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest tests/reference -q -n $(TEST_JOBS)

mutants: $(VENV)/.dev ## spoil one rule after another and see that a test notices
	@$(BIN)/python -m tests.mutants

soak: $(VENV)/.dev ## alternate two tenants over 200,000 requests and tasks with random aborts: nothing may cross over; then half an hour in which nothing may grow, then all fault tests, long
	@$(BIN)/python -m tests.soak
	@$(BIN)/python -m tests.soak.leaks
	@FAULTS_ROWS=5000000 FAULTS_FLOOD=200 $(BIN)/python -m pytest tests/faults -q -s

bench: $(VENV)/.dev ## print figures as one JSON object
	@$(BIN)/python -m tests.bench

check: migrations ## what CI runs, but for the stories: faults wait more than they work, and leave room for what reads the code
	@$(MAKE) --no-print-directory -j 2 faults lint types imports
	@$(BIN)/python -m pytest -n $(TEST_JOBS) --dist worksteal -q

fmt: $(VENV)/.dev ## format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix --quiet .

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .

types: $(VENV)/.dev
	@OMNI_DATABASE_URL=postgresql://types@localhost/types OMNI_REDIS_URL=redis://localhost OMNI_SECRET_KEY=types OMNI_MASTER_KEY=types $(BIN)/mypy

imports: $(VENV)/.dev
	@OMNI_DATABASE_URL=postgresql://types@localhost/types OMNI_REDIS_URL=redis://localhost $(BIN)/lint-imports --no-cache

migrations: $(VENV)/.dev
	@$(BIN)/python manage.py makemigrations --check --dry-run --verbosity 0

clean: ## remove the environment and all state
	@rm -rf $(VENV) var
