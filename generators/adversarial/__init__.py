"""Adversarial training: losses, penalties, and the two phases of a generator and its critic."""
