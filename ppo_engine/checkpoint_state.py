"""The part of a checkpoint that readers read: step, configuration and KL controller."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .config import Config
from .errors import CheckpointError

STATE = "trainer.json"
"""The file of a checkpoint that holds it."""


@dataclass(frozen=True)
class CheckpointState:
    """step: PPO updates done; config: in force then; controlled_by: whose KL settings the controller follows;
    kl_coef: its value, in score per nat.
    """

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
"""What reading a damaged file, and making sense of it, runs into."""


def damaged(path: Path, error: BaseException) -> CheckpointError:
    """What to raise for a checkpoint's file that cannot be read."""
    return CheckpointError(
        f"{path}: cannot be read ({error or type(error).__name__}); use another checkpoint"
    )
