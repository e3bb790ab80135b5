"""Every error the engine raises on purpose, as one tree, so that a caller can catch as much of it as it means
to.

    PPOEngineError
      ConfigError             a hyperparameter is out of range, unknown, or contradicts another        exit
      code 2 SourceError             a model or data set cannot be loaded: missing, offline, corrupt
      exit code 2
        AssetError            a built-in file does not match the manifest
        CanaryError           the classifier scores a plainly good review below a plainly bad one
      DeviceError             the device asked for is not there                                        exit
      code 2 StoreError              the run's folder cannot be read or written
        CheckpointError       a checkpoint is missing, damaged, or does not fit
      RunBusyError            a second run was started while one is on
      TrainingError           a step failed
        OutOfMemoryError      a phase of the step did not fit in the device's memory
        NumericalError        a loss or gradient is NaN or infinite
      StepAbandonedError           the step was given up between minibatches because the run has to end now

Each message is one that a user can act on: it names what was given, what is allowed, and what to do.
"""


class PPOEngineError(Exception):
    """Base of every error that the engine raises on purpose."""


class ConfigError(PPOEngineError, ValueError):
    """A value of the configuration is refused. `problems` holds one message per field."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class SourceError(PPOEngineError):
    """A model or a data set cannot be loaded."""


class AssetError(SourceError):
    """A built-in file is missing or does not match the manifest."""


class CanaryError(SourceError):
    """The classifier scores a canary sentence the wrong way round."""


_CHANGED_ADVICE = (
    "Restore the original files, or accept the change (--accept-changed on the command line); the run then "
    "continues, and its journal records the change."
)


class ChangedSourcesError(SourceError):
    """Models or data are not those that the run began with. `changed`: what, and how it differs, by name."""

    def __init__(self, changed: dict[str, str]) -> None:
        self.changed = changed
        listed = "; ".join(f"{name}: {how}" for name, how in changed.items())
        super().__init__(f"{listed}. {_CHANGED_ADVICE}")


class DeviceError(PPOEngineError):
    """The device asked for does not exist on this machine."""


class StoreError(PPOEngineError):
    """The run's folder or database cannot be read or written."""


class CheckpointError(StoreError):
    """A checkpoint is missing, damaged, or does not fit the run."""


class RunBusyError(PPOEngineError):
    """A run is already on in this process."""


class TrainingError(PPOEngineError):
    """A step of training failed."""


class OutOfMemoryError(TrainingError):
    """A phase of the step did not fit in the device's memory."""


class NumericalError(TrainingError):
    """A loss or a gradient is NaN or infinite; the update was not applied."""


class StepAbandonedError(PPOEngineError):
    """The step under way was given up, unrecorded."""
