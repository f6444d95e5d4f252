"""Switches of how a module's parameters are converted: remembered only.

A Parameter stays the object that it is here, and takes other values, whatever they say.
"""

from __future__ import annotations

_state = {"overwrite": False, "swap": False}


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Remembered."""
    _state["overwrite"] = value


def get_overwrite_module_params_on_conversion() -> bool:
    """What was set."""
    return _state["overwrite"]


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Remembered."""
    _state["swap"] = value


def get_swap_module_params_on_conversion() -> bool:
    """What was set."""
    return _state["swap"]
