"""A finished run, opened again in Python."""
