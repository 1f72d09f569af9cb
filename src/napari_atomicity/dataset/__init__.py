"""Very many images as one table: measured by any number of processes, resumable, calibrated a session at a time."""
