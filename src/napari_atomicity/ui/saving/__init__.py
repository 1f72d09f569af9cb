"""The panel that saves, opens and restores."""
