"""The documentation site: pages that are made from the program at each build, and notebooks that are run."""
