"""Many images in the window: a folder as a list, a dataset as a table, one image of it for review."""
