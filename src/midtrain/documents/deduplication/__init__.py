"""Near duplicates and repeated passages, found over all sources together."""
