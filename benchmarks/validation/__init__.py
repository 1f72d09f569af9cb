"""What the simulation is held against: multislice images, and the noise of real micrographs.

Only benchmarks and tests use it, so the installed package does not carry it.
"""
