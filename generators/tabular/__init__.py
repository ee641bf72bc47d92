"""Models of feature vectors."""
