# make demo        a traced agent and its page in the browser (ONCE=1: check over HTTP and stop)
# make test        everything: lint, types, import contracts, unit, contract, golden, integration and browser tests
# make test-quick  the same tests without the slow ones, and fewer examples of each law
# make test-integrations   the framework and evaluator environments
# make bench       every benchmark as one table (BENCH_ARGS="--large --peers")
# make docs        renew the generated pages of docs/reference (PICTURES=1: and the pictures of docs/img)
# make lock        renew the hashed requirements files

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
TYPESCRIPT := 5.9.3
PRETTIER := 3.10.1
NODE_TOOLS := .tools/node
JS := src/pellucid/server/web/static
# Two workers: the tests start real servers, and more of them than cores only wait for each other.
PYTEST := $(BIN)/python scripts/run_tests.py $(BIN)/python -n 2 --dist loadscope

.DEFAULT_GOAL := help
.PHONY: bench docs help demo test test-quick test-integrations lint types js format lock setup clean

help:
	@sed -n 's/^# make/make/p' Makefile

$(BIN)/python:
	@python=$$(PYTHON="$(PYTHON)" sh scripts/find_python.sh) && "$$python" -m venv $(VENV)

$(VENV)/demo.stamp: requirements/demo.txt pyproject.toml | $(BIN)/python
	@if [ ! -e $(VENV)/dev.stamp ]; then \
		echo "Installing Pellucid into $(VENV) (once)…" && \
		$(PIP) install --require-hashes -r requirements/demo.txt && \
		$(PIP) install --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need into $(VENV) (once)…"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/demo.stamp

$(NODE_TOOLS)/stamp-$(TYPESCRIPT)-$(PRETTIER):
	@mkdir -p $(NODE_TOOLS)
	@npm install --silent --no-audit --no-fund --no-save --prefix $(NODE_TOOLS) typescript@$(TYPESCRIPT) prettier@$(PRETTIER)
	@touch $@

demo: $(VENV)/demo.stamp
	@PELLUCID_SPOOL_DIR=$${PELLUCID_SPOOL_DIR:-.demo/spool} $(BIN)/pellucid demo --data-dir .demo $(if $(ONCE),--once)

setup: $(VENV)/dev.stamp
	@sh scripts/ensure_chromium.sh

lint: $(VENV)/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

types: $(VENV)/dev.stamp
	@$(BIN)/mypy

js:
	@if command -v npm >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory $(NODE_TOOLS)/stamp-$(TYPESCRIPT)-$(PRETTIER) && \
		$(NODE_TOOLS)/node_modules/.bin/tsc --project jsconfig.json && \
		$(NODE_TOOLS)/node_modules/.bin/prettier --log-level warn --check '$(JS)/**/*.js' '!$(JS)/vendor/**'; \
	elif [ -n "$$PELLUCID_REQUIRE_NODE" ]; then \
		echo "Node is required here, to check the browser modules; install it with: apt-get install nodejs npm" >&2; exit 1; \
	else \
		echo "Node is not installed: the type check of the browser modules is left out (1 check skipped)."; \
	fi

format: $(VENV)/dev.stamp
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The browser's driver keeps an event loop in its thread, where no other test could run one.
test: setup lint types js
	@$(PYTEST) -m "not browser"
	@$(PYTEST) -m browser

test-quick: setup
	@$(PYTEST) --hypothesis-profile quick -m "not slow and not browser"

test-integrations: setup
	@sh scripts/test_evaluators.sh
	@sh scripts/test_integrations.sh

bench: $(VENV)/dev.stamp
	@$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

docs: $(VENV)/dev.stamp
	@$(BIN)/python scripts/write_reference.py
	@$(if $(PICTURES),$(BIN)/python scripts/take_screenshots.py)

lock: $(VENV)/dev.stamp
	@sh scripts/lock.sh

clean:
	rm -rf $(VENV) .tools .venvs .demo
