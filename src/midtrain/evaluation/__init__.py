"""Floor 4: bits per byte, exact match, statistics and the forgetting guard."""
