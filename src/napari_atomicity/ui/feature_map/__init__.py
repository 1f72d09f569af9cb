"""The map of what the network sees, with the model's own clusters and those of the images."""
