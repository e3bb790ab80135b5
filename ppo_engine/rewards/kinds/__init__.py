"""The reward functions: a module each, found by its name."""
