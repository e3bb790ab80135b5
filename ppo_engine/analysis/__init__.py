"""Analyses of step records, from their numbers alone: no model, no store."""
