"""Curation: measure documents once, decide by thresholds, drop with a reason, mask, and show what was done."""
