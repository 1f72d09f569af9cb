"""What buttons, keys and commands do."""
