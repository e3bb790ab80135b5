"""Data in, plotly descriptions out; usable from a notebook."""

from .live import Chart, live_charts, metrics_frame

__all__ = ["Chart", "live_charts", "metrics_frame"]
