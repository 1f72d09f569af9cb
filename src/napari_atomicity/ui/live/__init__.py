"""The dock at the microscope: images counted as they come, readable from a distance."""
