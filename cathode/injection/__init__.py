"""Signal put into the data before anything is trained: what a search keeps of it, and what it can exclude."""
