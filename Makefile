# `make run` is all that a new machine needs. Package sources come from pip's own environment and settings.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
TRANSLATED := $(VENV)/.translated
CATALOGS := $(wildcard helpdesk/translations/*/LC_MESSAGES/messages.po)
FAST := not browser and not dovecot and not fault
# Files in their order: those that share a running helpdesk come one after the other, and start it once a process.
# Tests of faults mostly wait, so there are more of them at a time than processors.
# A part that is missing on this machine skips its tests, or fails them with HELPDESK_REQUIRE_ALL=1.
PYTEST := $(BIN)/python -m pytest -p tests.tools.require_all

.DEFAULT_GOAL := help
.PHONY: help install dev run demo test test-fast check fault hostile week bench bench-large provision clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

install: $(INSTALLED) $(TRANSLATED) ## make .venv and install the program

dev: $(INSTALLED_DEV) $(TRANSLATED) ## install what tests and checks need as well

$(BIN)/python:
	@scripts/make-venv.sh $(VENV)

$(INSTALLED): pyproject.toml | $(BIN)/python
	@echo "Installing the program and its libraries into $(VENV) (once, a minute or two)..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(INSTALLED_DEV): pyproject.toml | $(BIN)/python
	@echo "Installing what tests and checks need into $(VENV) (once)..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(INSTALLED) $@

$(TRANSLATED): $(CATALOGS) | $(BIN)/python
	@if [ -n "$(CATALOGS)" ]; then $(MAKE) --silent $(INSTALLED) && \
	  $(BIN)/pybabel --quiet compile --directory helpdesk/translations; fi
	@touch $@

run: install ## run everything: engines, web, workers, channels (HELPDESK_DATA, HOST, PORT)
	@exec $(BIN)/helpdesk run

demo: install ## the same with made-up people and tickets, in var/demo
	@exec $(BIN)/helpdesk run --demo

provision: ## install Dovecot and Chromium for the tests, where that is allowed
	@scripts/provision-tests.sh

test: dev provision ## all tests: the fast ones on two processes, then those that need Dovecot, Chromium, kill -9
	$(PYTEST) -n 2 --dist worksteal -m "$(FAST)"
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder -m "not fault and (browser or dovecot)"
	$(PYTEST) -n 3 --dist worksteal -m fault

test-fast: dev ## tests that need neither Dovecot nor Chromium nor patience
	$(PYTEST) -n 2 --dist worksteal -m "$(FAST)"

fault: dev provision ## kill everything for minutes while mail flows, then count (the longer run of a test in `make test`)
	$(BIN)/python -m tests.fault $(ARGS)

check: dev ## style, types, import directions, translations, migrations
	$(BIN)/ruff check .
	$(BIN)/mypy --num-workers 2
	$(PYTEST) -q tests/test_imports.py tests/test_translations.py tests/test_migrations.py

hostile: dev provision ## every hostile mail through the door and onto every page (the tests take a sample)
	$(BIN)/python -m tests.browser.hostile_pages

week: dev ## play a simulated week of a contact centre (forty operators) and check it from its history
	$(BIN)/python -m tests.week $(ARGS)

bench: dev ## measure speed at 10,000 and 100,000 tickets beside the floor of this machine
	$(BIN)/python -m bench $(ARGS)

bench-large: dev ## the same at 1,000,000 tickets
	$(BIN)/python -m bench --large $(ARGS)

clean: ## remove what can be made again; the data in var/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
	find helpdesk -name '*.mo' -delete
