"""Contamination: items of evaluations that stand in documents, how surely, and what a person decided about them."""
