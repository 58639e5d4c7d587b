# One command per wish; `make` lists them. Needs Python 3.10 or newer and nothing else: uv comes
# from PyPI, everything lands in this folder (.uv .venv .venv-meltano .meltano), `make clean` undoes it.

PYTHON ?= python3
TESTS ?=
# A file's tests stay together and in order; the last file tells what was seen in all others.
PARALLEL ?= -n logical --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test coverage lint format audit bench bench-full profile prove docs clean
MAKEFLAGS += --no-print-directory

UV := .uv/bin/uv
PINS := .uv/pins.txt
TAP := .venv/.installed
LINT := .venv/.installed-lint
MELTANO := .venv-meltano/.installed
PLUGINS := .meltano/.installed

# One lock file pins every environment, those that Meltano makes too.
export UV_CONSTRAINT := $(PINS)
export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never
# Trust what this machine trusts (company proxies sign for PyPI), where it says what that is.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS := 1
endif
# A mirror of PyPI that pip knows is a mirror that uv should know.
mirror = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$(.uv/bin/python -m pip config get global.index-url 2>/dev/null)}}}"

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(TAP) $(PLUGINS) ## the main job: embedded Exchange -> Meltano -> embedded PostgreSQL, twice
	@.venv/bin/python examples/demo.py

test: $(TAP) $(PLUGINS) ## all tests (some of them: make test TESTS=tests/unit)
	@.venv/bin/python -m pytest $(PARALLEL) $(TESTS)

coverage: $(TAP) $(PLUGINS) ## all tests, then which lines none of them ran
	@.venv/bin/python -m pytest $(PARALLEL) --cov --cov-report=term $(TESTS)

lint: $(TAP) $(LINT) ## rules, format, types, dependencies
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/deptry tap_exchange
	@$(UV) lock --check --offline --quiet
	@echo "lint: clean"

format: $(LINT) ## format the code
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix --quiet .

audit: $(LINT) ## known weaknesses of the locked dependencies (needs the network)
	@.venv/bin/python .ci/audit.py $(PINS)

bench: $(TAP) ## the figures, beside the plain way (10 minutes)
	@.venv/bin/python -m benchmarks.run
	@.venv/bin/python -m benchmarks.latency

bench-full: $(TAP) ## the long figures: a million items (an hour)
	@.venv/bin/python -m benchmarks.run --full

profile: $(TAP) ## where the processor's time goes in an initial load (Python 3.10 or 3.11)
	@.venv/bin/python -m benchmarks.profile

prove: $(TAP) $(PLUGINS) ## the long profiles: kills, broken answers, the model (hours; docs/proof.md)
	@.venv/bin/python -m pytest tests -m prove --timeout 0 -rP

docs: $(TAP) ## write the generated parts of README.md and meltano.yml
	@.venv/bin/python docs/generate.py

clean: ## remove what these commands made
	@rm -rf .uv .venv .venv-meltano .meltano .demo .benchmarks .hypothesis .pytest_cache .mypy_cache .ruff_cache .coverage dist build output
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments ---------------------------------------------------------------------------

$(UV):
	@echo "setting up: uv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "Python 3.10 or newer is needed; name one, for example: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .uv \
	  || { echo "python3 -m venv failed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13,<1'

$(PINS): uv.lock | $(UV)
	@$(UV) export --quiet --frozen --all-groups --all-extras --no-emit-project --no-annotate --output-file $@

$(TAP): pyproject.toml $(PINS)
	@echo "setting up: tap-exchange and its tests"
	@$(UV) venv --quiet --allow-existing --python '$(PYTHON)' .venv
	@$(mirror) $(UV) pip install --quiet --python .venv/bin/python --editable '.[demo]' --group test
	@touch $@

$(LINT): $(TAP)
	@echo "setting up: linters"
	@$(mirror) $(UV) pip install --quiet --python .venv/bin/python --group lint
	@touch $@

$(MELTANO): $(PINS)
	@echo "setting up: Meltano"
	@$(UV) venv --quiet --allow-existing --python '$(PYTHON)' .venv-meltano
	@$(mirror) $(UV) pip install --quiet --python .venv-meltano/bin/python --group meltano
	@touch $@

# target-jsonl pins old versions of its own, so the lock cannot hold for it.
$(PLUGINS): meltano.yml pyproject.toml $(MELTANO)
	@echo "setting up: Meltano's plugins (tap-exchange, target-postgres, target-jsonl)"
	@mkdir -p .meltano
	@{ $(mirror) .venv-meltano/bin/meltano install tap-exchange target-postgres \
	  && $(mirror) UV_CONSTRAINT= .venv-meltano/bin/meltano install target-jsonl; } >.meltano/install.log 2>&1 \
	  || { cat .meltano/install.log; exit 1; }
	@touch $@
