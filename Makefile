# Each target sets up what it needs. The same steps in plain pip lines stand in README.md.

PYTHON ?= $(shell for candidate in python3.12 python3.13 python3.14 python3; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1 && echo $$candidate && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.firesale-ready

.PHONY: setup lock run test lint golden parameter-readers attack bench bench-kernel bench-sweep sanitize notebooks clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

$(STAMP): pyproject.toml setup.py requirements.lock $(wildcard sim/*/*.pyx)
	@test -n "$(PYTHON)" || { echo "firesale needs Python 3.12 or newer; set PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Exact versions with the hashes of their files; versions stay as they are unless LOCK=--upgrade. No index is named in the file.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	head -2 requirements.lock > build/requirements.head
	UV_PYTHON_DOWNLOADS=never build/lock/bin/uv pip compile pyproject.toml --quiet --all-extras --universal --python-version 3.12 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(LOCK) -o requirements.lock
	cat build/requirements.head requirements.lock > build/requirements.lock && mv build/requirements.lock requirements.lock

run: setup
	$(BIN)/firesale run ten_thousand_h100 --overwrite

test: setup
	$(BIN)/python -m pytest -q -m "not slow" -n auto --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Which rooms read each parameter: run after parameters were added, removed or read elsewhere.
parameter-readers: setup
	PYTHONPATH=. $(BIN)/python tests/parameter_readers.py

# Digests of eight runs: what changes no number leaves them as they were.
golden: setup
	PYTHONPATH=. $(BIN)/python tests/golden_table.py

# Tries to lose a result or print a wrong number; ATTACK=--small takes fewer tries, ATTACK="--only books" one attack.
attack: setup
	PYTHONPATH=. $(BIN)/python -m tests.attack $(ATTACK)

bench: setup
	$(BIN)/firesale bench

# The kernel against other solvers; those that are not installed are left out.
bench-kernel: setup
	$(BIN)/python benchmarks/bench_kernel.py --sizes small medium large huge --markdown docs/kernel.md --figure docs/kernel_benchmark

# What the sweep engine costs beside the runs, each figure beside its promise.
bench-sweep: setup
	$(BIN)/python benchmarks/bench_sweep.py

# The kernel's suite, slow tests included, on a copy built with the address and undefined-behaviour sanitizers.
SANITIZED := build/sanitized
sanitize: setup
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)
	cp -r agents benchmarks sim tests pyproject.toml setup.py $(SANITIZED)/ && rm -f $(SANITIZED)/sim/*/*.so $(SANITIZED)/sim/*/*.c
	cd $(SANITIZED) && FIRESALE_SANITIZE=1 $(CURDIR)/$(BIN)/python setup.py -q build_ext --inplace
	cd $(SANITIZED) && LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
		$(CURDIR)/$(BIN)/python -m pytest -q -p no:cacheprovider tests/test_clearing_*.py

notebooks: setup
	$(BIN)/firesale notebooks

clean:
	rm -rf $(VENV) build dist *.egg-info sim/*/*.c sim/*/*.so
