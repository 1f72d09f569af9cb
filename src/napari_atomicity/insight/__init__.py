"""Why the network says what it says."""
