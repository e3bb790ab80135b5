"""PPO fine-tuning of a small language model, with a record of every step and every token.

    from ppo_engine import Config, Trainer

    for record in Trainer(Config.preset("tiny-reviews", steps=20)):
        print(record.step, record.metrics.get("env/reward_mean"))

Names load on first use, so that the parts without torch (config, metrics, store, session, charts) import
fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import PRESETS, Config
    from .errors import ConfigError, PPOEngineError
    from .metrics import METRICS, Metric
    from .records import StepRecord
    from .store import RunReader
    from .training.trainer import Trainer

_HOMES = {
    "Config": "config",
    "PRESETS": "config",
    "ConfigError": "errors",
    "PPOEngineError": "errors",
    "METRICS": "metrics",
    "Metric": "metrics",
    "StepRecord": "records",
    "RunReader": "store",
    "Trainer": "training.trainer",
}

__all__ = [
    "METRICS",
    "PRESETS",
    "Config",
    "ConfigError",
    "Metric",
    "PPOEngineError",
    "RunReader",
    "StepRecord",
    "Trainer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
