# What a user and a developer type; README.md and CONTRIBUTING.md say when.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo stop test check lint types templates layers deploy migrations audit bench measure fuzz clean

VENV ?= .venv
export VENV
BIN := $(VENV)/bin
PY := $(BIN)/python
# More for the command behind a target: make demo ARGS=--detach, make test ARGS='-x tests/unit'.
ARGS ?=
# How long the API's schema is tried with made-up requests; property tests take as many times their examples as this
# has minutes.
IM_FUZZ_SECONDS ?= 1800
# How many incidents the benchmarks work on.
N ?= 1000000

help:
	@echo "make demo     everything on this machine, then one address to open (ARGS=--detach: in the background)"
	@echo "make stop     stop the demo; its data are kept"
	@echo "make test     every test, on a real OpenSearch, Redis, PostgreSQL and Chromium (ARGS: for pytest)"
	@echo "make check    style, types, templates, layers, deployment settings, migrations, locks and known vulnerabilities"
	@echo "make bench    what pages, paging and edits cost beside raw OpenSearch (N=$(N) incidents)"
	@echo "make measure  what the pages cost a browser"
	@echo "make fuzz     the property tests and the API's schema, for an hour and more instead of seconds"
	@echo "make clean    stop the demo; remove its data, the virtual environment and all caches below this folder"

demo:
	@requirements/install demo
	@exec $(PY) -m imweb.demo.stack --with-parent $(ARGS)

stop:
	@if [ -x $(PY) ]; then exec $(PY) -m imweb.demo.stack --stop; else echo "Nothing is installed, so nothing runs."; fi

test:
	@requirements/install dev
	$(PY) -m tests.both $(ARGS)

check: lint types templates layers deploy migrations audit

lint types templates layers deploy migrations audit bench measure fuzz: $(VENV)/dev

# Not a file that is ever made: the script itself knows whether there is anything to do.
$(VENV)/dev: .FORCE
	@requirements/install dev
.PHONY: .FORCE

lint:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types:
	$(PY) -m mypy

templates:
	$(BIN)/djlint --lint --quiet templates

layers:
	$(BIN)/lint-imports

# Django's own checks with settings as in production; nothing is connected to.
PRODUCTION := env -u IM_INSECURE -u IM_DEBUG -u DATABASE_URL IM_SECRET_KEY=$$(head -c 48 /dev/urandom | base64 -w 0) \
	IM_ALLOWED_HOSTS=incidents.example OPENSEARCH_URL=https://opensearch.example:9200 REDIS_URL=redis://redis.example:6379/0
deploy:
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && set -x && \
	$(PRODUCTION) IM_DATA_DIR=$$folder $(PY) manage.py check --deploy --fail-level WARNING

migrations:
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && set -x && \
	$(PRODUCTION) IM_DATA_DIR=$$folder $(PY) manage.py makemigrations --check --dry-run

audit:
	$(PY) requirements/audit.py $(ARGS)

bench:
	@if [ -e benchmarks/__main__.py ]; then exec $(PY) -m benchmarks $(N) $(ARGS); else echo "There are no benchmarks yet."; fi

measure:
	@if [ -e benchmarks/measure.py ]; then exec $(PY) -m benchmarks.measure $(ARGS); else echo "There are no measures yet."; fi

fuzz:
	IM_FUZZ_SECONDS=$(IM_FUZZ_SECONDS) IM_VANISH=full $(PY) -m pytest -m "hypothesis or fuzz" --timeout=14400 $(ARGS)

clean: stop
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
