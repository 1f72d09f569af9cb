"""What one atom is worth by independent ways: the panel, its plots, and the scan of the detector."""
