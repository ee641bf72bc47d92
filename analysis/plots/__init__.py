"""Figures: arrays in, Figure out, nothing computed."""
