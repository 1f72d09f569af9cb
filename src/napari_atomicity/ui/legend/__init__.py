"""The legend of the classes, beside the image and on it, and what of the clusters it lets be seen."""
