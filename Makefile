# Two commands do everything on a machine that has Python 3.11 or newer, make and git: `make serve` and `make test`.
# The first call creates .venv and installs into it; later calls notice that nothing changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# MLX comes for one device: on Linux CUDA where an NVIDIA driver is present, else the CPU; never both, they share files.
# On a Mac the base install is the Metal build, and both extras are empty.
ifndef DEVICE
DEVICE := $(shell if [ "$$(uname -s)" = Linux ] && { [ -e /proc/driver/nvidia/version ] || nvidia-smi -L; } >/dev/null 2>&1; then echo cuda; else echo cpu; fi)
endif
STAMP := $(VENV)/.installed-$(DEVICE)

# The CPU kernels (native/) are built where a compiler knows C++20, and done without where none does.
NATIVE_SOURCES := native/CMakeLists.txt native/pyproject.toml $(wildcard native/src/*/* native/vivace_cpu/*.py)
BUILD_TOOLS := scikit-build-core nanobind cmake ninja
ifeq ($(DEVICE)-$(shell uname -s),cpu-Linux)
COMPILER := $(shell for each in $(filter-out c++ cc,$(CXX)) g++ clang++; do if echo 'static_assert(__cplusplus > 201703L);' | $$each -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; then echo $$each; break; fi; done)
NATIVE_STAMP := $(VENV)/.native-$(if $(COMPILER),built,missing)
endif

.DEFAULT_GOAL := help
.PHONY: help install serve test lint format clean

help: ## what there is to make
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile
	@echo '  make serve ARGS="MODEL --port 8080"	everything that vivace serve takes'

install: $(STAMP) $(NATIVE_STAMP) ## create .venv and install, and build the CPU kernels

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Vivace needs Python 3.11 or newer, and $(PYTHON) gives: $$($(PYTHON) -V 2>&1). Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) comes without venv. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	@for old in $(VENV)/.installed-*; do if [ -e "$$old" ] && [ "$$old" != $@ ]; then echo "MLX is installed for another device: making $(VENV) anew."; rm -rf $(VENV); fi; done
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV), with MLX for: $(DEVICE). The first time this takes a minute or two."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(DEVICE),dev]'
	@touch $@

$(VENV)/.native-built: $(STAMP) $(NATIVE_SOURCES)
	@echo "Building the CPU kernels with $(COMPILER). The first time this takes some minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(BUILD_TOOLS)
	@CXX=$(COMPILER) $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall ./native && touch $@ || echo "The CPU kernels could not be built, see above: models run several times slower without." >&2

$(VENV)/.native-missing: $(STAMP)
	@echo "No C++ compiler: models run several times slower without the CPU kernels. Install g++ and run make again." >&2

serve: $(STAMP) $(NATIVE_STAMP) ## serve the embedded model on http://127.0.0.1:8000
	@exec $(BIN)/vivace serve $(ARGS)

test: lint $(NATIVE_STAMP) ## style, types, import rules and all tests
	@[ -z "$(COMPILER)" ] || $(BIN)/python -c 'import vivace_cpu'
	$(BIN)/pytest $(ARGS)

lint: $(STAMP) ## style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## put the code in our style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv and caches
	rm -rf $(VENV) native/build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
