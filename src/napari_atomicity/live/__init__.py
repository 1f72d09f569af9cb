"""At the microscope: images as they come, counted while the microscope scans, with numbers that may be watched."""
