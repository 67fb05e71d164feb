"""Changing many rows at once: which, what, and what became of it."""
