"""The trainer and all that a step is made of. Knows nothing of the store."""
