"""Methods beside each other: the same data, the same signals, everything retrained, one table."""
