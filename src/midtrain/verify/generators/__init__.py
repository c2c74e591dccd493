"""Families of generated problems: arithmetic, stories, lists and logic, each with its worked solution."""
