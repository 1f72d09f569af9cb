"""Saving, opening and autosaving the images of a viewer; no widgets."""
