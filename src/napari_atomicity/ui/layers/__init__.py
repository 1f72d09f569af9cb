"""The napari layers that show a document: clusters, heat maps, anchors, tracks."""
