"""The reward functions: one per module, found by name."""
