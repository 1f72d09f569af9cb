"""A counted stack frame by frame: how many clusters, and of which classes."""
