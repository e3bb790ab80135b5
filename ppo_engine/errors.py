"""The errors that the engine raises on purpose, as one tree, so that callers can catch any part of it.

    PPOEngineError
      ConfigError             a setting is out of range, unknown, or contradicts another (exit code 2)
      SourceError             a model or data set cannot be loaded: missing, offline, corrupt (exit code 2)
        AssetError            a built-in file does not match the manifest
        CanaryError           the classifier scores a clearly good review below a clearly bad one
      DeviceError             the requested device is missing (exit code 2)
      StoreError              the run's folder cannot be read or written
        CheckpointError       a checkpoint is missing, damaged, or does not fit the run
      RunBusyError            another run of this process is still running
      TrainingError           a step failed
        OutOfMemoryError      a phase of the step ran out of device memory
        NumericalError        a loss or gradient is NaN or infinite
      StepAbandonedError      the step was abandoned between minibatches because the run has to end

Each message is actionable: it names the value given, what is allowed, and the remedy.
"""


class PPOEngineError(Exception):
    """Base of every error that the engine raises on purpose."""


class ConfigError(PPOEngineError, ValueError):
    """A setting is invalid. `problems` holds one message per field."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class SourceError(PPOEngineError):
    """A model or a data set cannot be loaded."""


class AssetError(SourceError):
    """A built-in file is missing or does not match the manifest."""


class CanaryError(SourceError):
    """The classifier scores the canary sentences in the wrong order."""


_CHANGED_ADVICE = (
    "Restore the original files, or accept the change (--accept-changed on the command line); the run then "
    "continues, and its journal records the change."
)


class ChangedSourcesError(SourceError):
    """Models or data changed since the run began. `changed`: how each differs, by name."""

    def __init__(self, changed: dict[str, str]) -> None:
        self.changed = changed
        listed = "; ".join(f"{name}: {how}" for name, how in changed.items())
        super().__init__(f"{listed}. {_CHANGED_ADVICE}")


class DeviceError(PPOEngineError):
    """The requested device does not exist on this machine."""


class StoreError(PPOEngineError):
    """The run's folder or database cannot be read or written."""


class CheckpointError(StoreError):
    """A checkpoint is missing, damaged, or does not fit the run."""


class RunBusyError(PPOEngineError):
    """A run is already running in this process."""


class TrainingError(PPOEngineError):
    """A step of training failed."""


class OutOfMemoryError(TrainingError):
    """A phase of the step ran out of device memory."""


class NumericalError(TrainingError):
    """A loss or gradient is NaN or infinite; the update was not applied."""


class StepAbandonedError(PPOEngineError):
    """The current step was abandoned, unrecorded."""
