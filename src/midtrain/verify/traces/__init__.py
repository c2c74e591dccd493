"""Hygiene of reasoning traces: what is wrong with how an answer was reached, where, and what can safely be mended."""
