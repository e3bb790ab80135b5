"""The KL coefficient over a run: which controller moves it, when its settings change too."""

from __future__ import annotations

from .. import ppo
from ..config import Config

_SETTINGS = ("adap_kl_ctrl", "init_kl_coef", "target", "horizon")

Controller = ppo.AdaptiveKLController | ppo.FixedKLController


class KLControl:
    """config: whose KL settings the controller follows; controller: of those settings."""

    def __init__(self, config: Config, kl_coef: float | None = None) -> None:
        self.config = config
        self.controller = make_controller(config)
        if kl_coef is not None:
            self.controller.value = kl_coef

    def follow(self, config: Config) -> None:
        """Takes on KL settings that changed during the run."""
        controller = self.in_force(config)
        if controller is not self.controller:
            self.config, self.controller = config, controller

    def in_force(self, now: Config) -> Controller:
        """The controller of the current settings. The coefficient carries over unless its start changed."""
        before = self.config
        if all(getattr(before, name) == getattr(now, name) for name in _SETTINGS):
            return self.controller
        controller = make_controller(now)
        if now.adap_kl_ctrl and now.init_kl_coef == before.init_kl_coef:
            controller.value = self.controller.value
        return controller


def make_controller(config: Config) -> ppo.AdaptiveKLController | ppo.FixedKLController:
    if config.adap_kl_ctrl:
        return ppo.AdaptiveKLController(config.init_kl_coef, config.target, config.horizon)
    return ppo.FixedKLController(config.init_kl_coef)
