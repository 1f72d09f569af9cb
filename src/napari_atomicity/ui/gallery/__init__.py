"""All clusters as pictures in groups of their class: the quickest look at what was counted as what."""
