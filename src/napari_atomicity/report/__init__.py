"""A report that explains itself: one HTML file with all pictures and numbers in it, for reading, printing, keeping."""

from napari_atomicity.report.html import report_steps

__all__ = ["report_steps"]
