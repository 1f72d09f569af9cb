"""The keys, and the layers on which they work."""
