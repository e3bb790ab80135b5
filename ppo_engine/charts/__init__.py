"""Charts as plotly descriptions; usable from a notebook."""

from .drawing import Chart
from .live import live_charts
from .series import metrics_frame

__all__ = ["Chart", "live_charts", "metrics_frame"]
