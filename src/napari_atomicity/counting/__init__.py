"""From clusters to classes and atom counts: patches, network, bundles, calibration, adaptation."""
