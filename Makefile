# `make demo` and `make test` set everything up by themselves in .venv.
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
PYTHON  ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3 python,\
             $(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))

.PHONY: demo test test-all lint check clean

demo: $(READY)
	$(BIN)/adasr demo --out demo

test: $(READY)
	$(BIN)/python -m pytest

test-all: $(READY)
	$(BIN)/python -m pytest -m ""

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

check: lint test-all demo

# BasicSR's source package imports torch while it is built, so its build environment is pinned to the
# tested torch too; it cannot be built on Python >= 3.13, where its tests are skipped. It brings
# tb-nightly, beside which the command `tensorboard` does not start ("Duplicate plugins").
$(READY): constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "adasr needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch setuptools wheel
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,onnx,app,heic]"
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then \
	    echo "installing BasicSR (built from source, about a minute)"; \
	    PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	        $(BIN)/python -m pip install --quiet --use-pep517 -c constraints.txt basicsr && \
	    $(BIN)/python -m pip uninstall --quiet --yes tb-nightly && \
	    $(BIN)/python -m pip install --quiet --force-reinstall --no-deps -c constraints.txt tensorboard; \
	fi
	@touch $(READY)

clean:
	rm -rf $(VENV) demo experiments results
