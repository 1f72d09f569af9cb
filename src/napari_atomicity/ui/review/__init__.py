"""The panel in which a person checks and corrects labels."""
