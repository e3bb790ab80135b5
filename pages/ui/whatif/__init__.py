"""The What-if page: other settings on a recorded step."""
