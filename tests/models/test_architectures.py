"""Three families with different peculiarities go the whole way; the benchmark of this name takes all of them."""

import pytest

from benchmarks.architectures import exercise, passed, small_tokenizer


@pytest.mark.parametrize("family", ["qwen3", "gemma3", "phi3"])
def test_a_family_goes_the_whole_way(family, tmp_path):
    figures = exercise(family, 0, small_tokenizer(tmp_path), tmp_path)
    assert passed(figures), figures
