"""Windows side by side over a spectrum: the same search in each, and what the most significant one is worth."""
