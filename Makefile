# Two commands do everything from a fresh clone: `make demo` and `make test`.
# Each makes the virtual environment and installs what it needs, pinned by constraints.txt.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUN ?= runs/demo

.DEFAULT_GOAL := help
.PHONY: help demo test lint types unit cover sanitize bench clean

help:
	@echo "make demo   distil the bundled data set into four students and write $(RUN)/report.html"
	@echo "make test   lint, types and all tests"
	@echo "make lint | types | unit | cover | sanitize | bench | clean"

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or later is needed"'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: $(VENV)/bin/python pyproject.toml setup.py constraints.txt $(wildcard native/*)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml setup.py constraints.txt $(wildcard native/*)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed-demo

demo: $(VENV)/.installed-demo
	$(BIN)/understudy distill --recipe recipes/demo.yaml --out $(RUN)

test: lint types unit sanitize

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

# Lines are counted by the interpreter from Python 3.12 on, at little cost. Before, tests take twice as long with it:
# there `make cover` counts them.
UNIT := HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false \
	$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder
COVER := --cov --cov-report=term --cov-fail-under=90
unit: $(VENV)/.installed-dev
	COVERAGE_CORE=sysmon $(UNIT) $$($(BIN)/python -c 'import sys; print("$(COVER)" if sys.version_info >= (3, 12) else "")')

cover: $(VENV)/.installed-dev
	$(UNIT) $(COVER)

# The C extension with the address and undefined-behaviour sanitizers: a build of its own, and the tests that need
# neither torch nor a graph. Python takes its memory from malloc, so that reading behind a string is noticed.
# Python's own flags hold -fwrapv, under which the sanitizer does not look for signed overflow: hence -fno-wrapv.
SANITIZED := build/sanitized
sanitize: $(VENV)/.installed-dev
ifeq ($(shell command -v $(CC)),)
	@echo "There is no C compiler here: nothing to sanitize."
else
	UNDERSTUDY_SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-wrapv -g -O1" \
	$(BIN)/python setup.py --quiet build --build-lib $(SANITIZED) --build-temp $(SANITIZED)-temp
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc PYTHONPATH=$(SANITIZED) OMP_NUM_THREADS=1 \
	$(BIN)/python -m pytest --noconftest -q -s tests/runtime/test_fast_core.py tests/runtime/test_fast_file.py tests/runtime/test_fast_lines.py \
	tests/runtime/test_arrow_core.py \
	tests/runtime/test_bag_core.py tests/runtime/test_bag_file.py tests/runtime/test_cnn_core.py tests/runtime/test_cnn_file.py \
	tests/runtime/test_lstm_core.py tests/runtime/test_lstm_file.py tests/runtime/test_matrix_core.py tests/runtime/test_matrix_file.py \
	tests/runtime/test_window_core.py tests/runtime/test_window_file.py \
	tests/training/native/test_bag_trainer.py tests/students/layers/test_recurrence_core.py
endif

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(PIP) install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/speed.py

clean:
	rm -rf $(VENV) build dist runs/demo .pytest_cache .mypy_cache .ruff_cache .coverage*
