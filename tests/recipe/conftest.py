"""A whole recipe that runs in seconds: a tiny random base on texts written here."""

import random

import pytest

WORDS = ["the", "model", "reads", "a", "page", "of", "text", "and", "learns", "what", "comes", "next", "while", "rate"]


def write_texts(folder, seed, count, words):
    """`count` small text files, one document each."""
    rng = random.Random(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        lines = [
            " ".join(rng.choices(words, k=rng.randint(5, 30))) + f" {seed}.{number}." for _ in range(rng.randint(1, 20))
        ]
        (folder / f"{number:03d}.txt").write_text("\n".join(lines))


RECIPE = """\
name: small
description: Everything once, in seconds.
base:
  architecture: {model_type: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2,
                 num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 64, tie_word_embeddings: true}
  tokenizer: {train: {vocab_size: 320, sources: [old]}}
seeds: [0, 1]
holdout: {share: 0.2}
sources:
  old: {read: old}
  new: {read: new}
  sums: {problems: {count: 300, families: [comparison], difficulty: [1]}}
stages:
  anneal:
    tokens: 8192
    context: 64
    batch_tokens: 512
    mixture: {weights: {old: 0.5, new: 0.3, sums: 0.2}, max_epochs: 50}
    schedule: {peak: 3.0e-3, decay: {shape: linear}}
    checkpoint_every: 6
    log_every: 4
  longer:
    tokens: 2048
    context: 128
    batch_tokens: 512
    rope: {theta: 20000}
    mixture: {weights: {old: 0.5, new: 0.5}, max_epochs: 50}
    schedule: {peak: 1.0e-3}
    carry: {data_position: keep}
    log_every: 2
control: {weights: {old: 1.0}}
evaluation:
  bits_per_byte: {sources: [old, new], documents: 10}
  problems: {sums: {count: 10, families: [comparison], difficulty: [1], max_new_tokens: 12}}
guard: {budgets: {bpb/old: 0.5}}
target: {capability: bpb/new, better_than: [parent]}
"""


@pytest.fixture(scope="session")
def small_recipe(tmp_path_factory):
    """The file of a recipe beside its texts."""
    folder = tmp_path_factory.mktemp("small")
    write_texts(folder / "old", 1, 60, WORDS)
    write_texts(folder / "new", 2, 60, [word[::-1] for word in WORDS])
    (folder / "small.yaml").write_text(RECIPE)
    return folder / "small.yaml"


@pytest.fixture(scope="session")
def small_run(small_recipe):
    """The folder of a finished run of it, and its outcome; tests must not change it."""
    from midtrain.recipe.load import load_recipe
    from midtrain.recipe.run import run_recipe

    out = small_recipe.parent / "run"
    return out, run_recipe(load_recipe(small_recipe), out)
