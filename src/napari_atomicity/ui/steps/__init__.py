"""The workbench and its steps, one panel a step."""
