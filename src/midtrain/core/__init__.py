"""Floor 0: errors, configs, fingerprints, artifacts, run journals, the step executor, permutations, progress."""
