# The commands of README.md. Each makes, or brings up to date, the virtual environment .venv by itself.
#
#   make demo     break a small pipeline in three ways, and watch it being healed (about a minute)
#   make run      leave the same pipeline running, to play with; make stop ends it
#   make test     the tests (more options: make test ARGS="-k budget -x")
#   make simulate check the promises in 10,000 simulated worlds, which takes hours (SEEDS=100; FIRST_SEED=...)
#   make chaos    break two pipelines at random for an hour (CHAOS_SECONDS=600; CHAOS_SEED=... repeats a run)
#   make fuzz     give supervisord and the listener ten minutes of inputs that nobody would send (FUZZ_SECONDS=60)
#   make lint     format, lint, types, import rules, known weaknesses
#   make clean    remove everything that these commands made
#
# Another Python: make PYTHON=python3.12 demo

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
ARGS =
FUZZ_SECONDS = 600
SEEDS = 10000
FIRST_SEED = 0

.PHONY: help demo run stop test simulate chaos fuzz lint clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.installed
	$(BIN)/supervisor-healer demo

run: $(VENV)/.installed
	$(BIN)/supervisor-healer demo --run

stop: $(VENV)/.installed
	$(BIN)/supervisor-healer demo --stop

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 4 $(ARGS)

simulate: $(VENV)/.installed
	@$(BIN)/supervisor-healer simulate --seeds $(SEEDS) --first-seed $(FIRST_SEED)

chaos: $(VENV)/.installed-dev
	PYTHONPATH=tests $(BIN)/python -m chaos

fuzz: $(VENV)/.installed-dev
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest -q -s --timeout 0 -k test_fuzz tests/security

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile .ci/bandit.yaml supervisor_healer
	$(BIN)/python .ci/audit.py

clean:
	@if [ -S var/demo/supervisor.sock ]; then $(BIN)/supervisor-healer demo --stop; fi
	rm -rf $(VENV) .venv-ci var build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find supervisor_healer tests -name __pycache__ -prune -exec rm -rf {} +

# pip is quiet but for warnings and errors. A virtual environment whose Python is gone is made anew.
$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c "" 2>/dev/null || { echo "There is no working '$(PYTHON)' here. Install Python 3.10 or newer," \
	    "or name one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" || { echo "'$(PYTHON)' is $$($(PYTHON) --version)," \
	    "but 3.10 or newer is needed. Name another: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "'$(PYTHON)' cannot make virtual environments:" \
	    "its venv or ensurepip module is not installed. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    echo "making the virtual environment $(VENV) with $$($(PYTHON) --version)"; \
	    $(PYTHON) -m venv --clear $(VENV); \
	fi
	@echo "installing supervisor_healer and what it needs into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the tools for tests and checks into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@
