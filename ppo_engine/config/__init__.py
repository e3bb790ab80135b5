"""The settings of a run: their descriptions, the model that holds them, the presets."""

from .fields import BOS_MODES, GROUPS, Field
from .model import FIELDS, Config
from .presets import PRESETS, Preset, find_preset

__all__ = ["BOS_MODES", "FIELDS", "GROUPS", "PRESETS", "Config", "Field", "Preset", "find_preset"]
