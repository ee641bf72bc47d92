"""Weak classifiers: data against template."""
