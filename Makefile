# Everything runs in .venv, which the first target that needs it makes from the exact versions in constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo test check bench schema clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	touch $@

demo: setup
	$(BIN)/midtrain run recipes/quickstart.yaml

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	for name in resume loader_scale tokenize_vs_tokenizers train_vs_trainer midtrain_vs_cpt architectures; do \
		$(BIN)/python -m benchmarks.$$name || exit 1; done

schema: setup
	$(BIN)/midtrain schema > recipes/recipe.schema.json

clean:
	rm -rf .venv runs build dist src/*.egg-info
