"""Readers: every kind of source becomes the same rows, one at a time."""
