# `make demo` and `make test` set up everything they need in .venv.
VENV := .venv
BIN := $(VENV)/bin
export UV_PROJECT_ENVIRONMENT := $(VENV)
# The machine's own certificates, for networks with a proxy; the name of the switch depends on the version of uv.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1

.PHONY: setup setup-demo demo test lint types soak bench clean

setup-demo: $(VENV)/.demo
setup: $(VENV)/.dev

$(VENV)/.demo: pyproject.toml uv.lock
	@scripts/setup --extra local --extra tasks
	@touch $@

$(VENV)/.dev: pyproject.toml uv.lock
	@scripts/setup --all-extras
	@touch $@ $(VENV)/.demo

demo: setup-demo
	@$(BIN)/outlay run experiments/demo.toml
	@printf '\nThat was experiments/demo.toml. Type next:\n  source .venv/bin/activate\n  outlay ls demo --rollouts\n  outlay show demo ROLLOUT     (an id from that list)\n  outlay --help\n'

test: setup
	@$(BIN)/pytest

lint: setup types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=.cache/types $(BIN)/lint-imports

# mypy and import-linter do not follow the editable install's mapping: they read a folder of links instead.
types:
	@mkdir -p .cache/types/outlay
	@for room in sandbox tools tasks agents runs; do ln -sfn ../../../$$room .cache/types/outlay/$$room; done

soak: setup
	@$(BIN)/python -m tests.soak.sandboxes

bench: setup
	@for name in overhead ledger sandbox; do $(BIN)/python -m tests.benchmarks.$$name; done

clean:
	rm -rf $(VENV) .cache build dist *.egg-info
