# make demo | test | bench | parity | lint | format | wheel | clean
#
# Each target makes the virtual environment .venv, builds the wheel and installs what it needs; what
# is up to date is not made again. Needed: Python 3.10 or later with venv, and a C++20 compiler.
#
#   make test PYTHON=python3.12    another Python (after `make clean`)
#   make test ARGS="-k matmul"     arguments for pytest, or for the demo or the benchmark
#   make test DEV=1                builds in place with CMake from .venv: after the first time, only
#                                  what has changed is compiled. Without it the build is isolated.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
DEV ?=
# PyTorch for the CPU alone; PyPI's own Linux wheel brings gigabytes of GPU libraries.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

bin := $(VENV)/bin
stamps := $(VENV)/stamps
pip := $(bin)/python -m pip --disable-pip-version-check -qq
ours = $(firstword $(wildcard dist/*.whl))
sources := pyproject.toml CMakeLists.txt \
  $(shell find cpp python -type f -not -name '*.py[co]' -not -name '.*')
cpp_files = $(shell find cpp tests/cpp bench/cpp -path '*/build/*' -prune -o \
  \( -name '*.cpp' -o -name '*.h' \) -print)

.DELETE_ON_ERROR:
.PHONY: help demo test bench parity lint format stub wheel clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

demo: $(stamps)/demo
	@$(bin)/python examples/digits.py $(ARGS)

test: $(stamps)/demo $(stamps)/test
	@$(bin)/python -m pytest $(ARGS)

bench: $(stamps)/bench
	@status=0; \
	  $(bin)/python bench/run.py --threads 1 2 --readme README.md --plot docs/bench.svg $(ARGS) || \
	    status=$$?; \
	  $(bin)/python bench/gemm.py || status=$$?; \
	  exit $$status

parity: $(stamps)/parity
	@$(bin)/python tools/parity $(ARGS)

lint: $(stamps)/lint
	$(bin)/ruff check --quiet .
	$(bin)/ruff format --quiet --check .
	$(bin)/mypy --no-error-summary
	$(bin)/python tools/make_stub.py --check
	$(bin)/python tools/make_notebooks.py --check
	$(bin)/python tools/check_layers.py
	$(bin)/clang-format --dry-run -Werror $(cpp_files)

format: $(stamps)/lint
	$(bin)/ruff check --quiet --fix .
	$(bin)/ruff format --quiet .
	$(bin)/python tools/make_stub.py
	$(bin)/python tools/make_notebooks.py
	$(bin)/clang-format -i $(cpp_files)

stub: $(stamps)/lint
	$(bin)/python tools/make_stub.py

wheel: $(stamps)/wheel
	@ls -l $(ours)

clean:
	rm -rf build dist $(VENV) bench/cpp/build examples/out .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, with a pip that knows dependency groups (25.1).
$(stamps)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "make: $(PYTHON) is missing or older than 3.10; try make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "make: $(PYTHON) has no venv; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(pip) install --upgrade 'pip>=25.1'
	@mkdir -p $(stamps) && touch $@

$(stamps)/wheel: $(sources) | $(stamps)/venv
	@probe='int main() { return []<class T>(T x) { return x; }(0); }'; \
	  compiler=$${CXX:-$$(command -v c++ || command -v g++ || command -v clang++)}; \
	  test -n "$$compiler" || \
	    { echo "make: no C++ compiler found; on Debian: apt install g++, or set CXX" >&2; exit 1; }; \
	  echo "$$probe" | $$compiler -std=c++20 -x c++ -fsyntax-only - || \
	    { echo "make: $$compiler does not know C++20; set CXX to one that does" >&2; exit 1; }
	@echo "building the wheel ..."
	@$(if $(DEV),$(pip) install --group build)
	@rm -rf dist
	@$(pip) wheel --no-deps --wheel-dir dist $(if $(DEV),--no-build-isolation -C cmake.define.BX_UNITY=OFF) .
	@touch $@

$(stamps)/installed: $(stamps)/wheel
	@$(pip) install $(ours)
	@$(pip) install --force-reinstall --no-deps $(ours)
	@touch $@

$(stamps)/demo: $(stamps)/installed
	@$(pip) install '$(ours)[demo]'
	@touch $@

$(stamps)/test $(stamps)/lint: $(stamps)/%: $(stamps)/installed
	@$(pip) install --group $*
	@touch $@

$(stamps)/parity: $(stamps)/installed
	@$(pip) install --extra-index-url $(TORCH_INDEX) --group parity
	@touch $@

$(stamps)/bench: $(stamps)/installed
	@$(pip) install --group cpp
	@for group in peer-torch peer-jax plot; do \
	  $(pip) install --retries 1 --extra-index-url $(TORCH_INDEX) --group $$group || \
	    echo "make: the benchmark goes on without $$group" >&2; \
	done
	@touch $@
