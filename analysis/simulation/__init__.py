"""Simulations that make real samples offline; optional extras."""
