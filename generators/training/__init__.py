"""The one training loop and its policies."""
