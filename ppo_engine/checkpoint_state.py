"""The part of a checkpoint that viewers need: step, configuration and KL controller."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .config import Config
from .errors import CheckpointError

STATE = "trainer.json"
"""Its file within a checkpoint."""


@dataclass(frozen=True)
class CheckpointState:
    """step: PPO updates done; controlled_by: the KL controller's settings; kl_coef: score per nat."""

    step: int
    config: Config
    controlled_by: Config
    kl_coef: float

    def write(self, folder: Path) -> None:
        """Writes the file in `folder`."""
        settings = {"config": self.config.model_dump(), "controlled_by": self.controlled_by.model_dump()}
        values = {**asdict(self), **settings}
        (folder / STATE).write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> CheckpointState:
        """The inverse of `write`. Raises `CheckpointError` for a damaged file."""
        path = folder / STATE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                step=int(values["step"]),
                config=Config(**values["config"]),
                controlled_by=Config(**values["controlled_by"]),
                kl_coef=float(values["kl_coef"]),
            )
        except UNREADABLE as error:
            raise damaged(path, error) from error


UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
)  # fmt: skip
"""Raised by reading or interpreting a damaged file."""


def damaged(path: Path, error: BaseException) -> CheckpointError:
    """The error for a checkpoint file that cannot be read."""
    return CheckpointError(
        f"{path}: cannot be read ({error or type(error).__name__}); use another checkpoint"
    )
