"""Jobs on a run's models, processed between steps."""
