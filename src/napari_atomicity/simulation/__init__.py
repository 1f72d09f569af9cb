"""Simulated micrographs of size-selected clusters, with their truth."""
