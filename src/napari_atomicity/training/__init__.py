"""Making models: labelled libraries, training, calibration of probabilities, scores."""
