"""What records say, worked out from their numbers alone: no model, no store."""
