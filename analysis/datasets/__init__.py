"""Data sets: layout, units, splits and verified download."""
