"""Makes the built-in world: grammar, reviews, both models, the example run. Never needed at run time."""
