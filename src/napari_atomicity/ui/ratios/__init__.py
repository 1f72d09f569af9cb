"""The panel of class ratios against what was deposited."""
