"""Counting, spectra and significance."""
