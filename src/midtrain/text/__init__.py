"""Floor 1: kernels over Arrow text: words, statistics, n-grams, signatures, language."""
