"""Neural networks without a loss."""
