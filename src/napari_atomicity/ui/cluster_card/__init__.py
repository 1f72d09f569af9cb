"""The card of one cluster: what was measured, what the model says and why."""
