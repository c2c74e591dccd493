# Everything runs in .venv, which the first target that needs it makes from the exact versions in constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo test check bench peers schema clean

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

peers: .venv-peers/ready .venv-mergekit/ready

.venv-peers/ready: benchmarks/peers.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement benchmarks/peers.txt
	touch $@

.venv-mergekit/ready: benchmarks/mergekit.txt
	test -x .venv-mergekit/bin/python || $(PYTHON) -m venv .venv-mergekit
	.venv-mergekit/bin/python -m pip install --quiet --requirement benchmarks/mergekit.txt
	touch $@

BENCHMARKS := resume loader_scale tokenize_vs_tokenizers train_vs_trainer midtrain_vs_cpt architectures \
	curate_vs_datatrove dedup decontaminate quality cluster curate_memory sandbox verify problems traces \
	merge_vs_mergekit schedules spikes context_extension

bench: setup peers
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || exit 1; done

schema: setup
	$(BIN)/midtrain schema > recipes/recipe.schema.json

clean:
	rm -rf .venv .venv-peers .venv-mergekit runs build dist src/*.egg-info
