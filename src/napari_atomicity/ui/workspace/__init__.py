"""The images of one viewer with their layers, and the work that runs on them."""
