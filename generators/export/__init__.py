"""Fitted generators as files that other programs evaluate."""
