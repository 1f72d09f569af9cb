import pytest

from .synthetic import sized_blobs, trained_bundle


@pytest.fixture(scope="session")
def sized():
    """Atoms of 300 clusters, their patches, their diameters."""
    return sized_blobs()


@pytest.fixture(scope="session")
def trained():
    """A small network that has learnt the blobs: tests need one that looks at its input."""
    return trained_bundle()
