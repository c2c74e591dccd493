"""Floor 2: documents: read, deduplicate, split, write shards."""
