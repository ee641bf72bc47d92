"""Reading and writing events."""
