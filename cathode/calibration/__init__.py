"""What a search says without a signal: pseudo-experiments of the whole chain, and p-values that they correct."""
