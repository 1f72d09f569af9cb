"""What is known of one image, its history, edits and review; knows neither Qt nor napari."""
