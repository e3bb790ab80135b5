"""Pending requests to a live run that outlast a step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Wishes:
    """single_steps: left to take while paused; pause_when_loaded: queued pause; seconds_per_step: minimum."""

    stop: bool = False
    single_steps: int = 0
    pause_when_loaded: bool = False
    seconds_per_step: float = 0.0

    def refusal(self, kind: str, state: str) -> str:
        """Why a command cannot be applied now, or nothing. state: the run's."""
        if self.stop:
            return "the run is already stopping"
        paused = state == "paused" or self.pause_when_loaded
        if kind == "pause" and paused:
            return "the run is already paused"
        if kind == "resume" and not paused:
            return "the run is not paused"
        return ""
