"""What runs have in common whatever they compute: folders, seeds, progress, processes, documents."""
