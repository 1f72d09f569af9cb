"""Damaged and hostile input for every door of the program: ``python -m tools.fuzz --help``."""
