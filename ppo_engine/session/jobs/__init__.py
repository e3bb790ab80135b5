"""Jobs on a run's models, done between steps."""
