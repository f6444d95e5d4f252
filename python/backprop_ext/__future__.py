"""Switches of how a module's parameters are converted: remembered only.

A Parameter stays the object that it is here, and takes other values, whatever they say.
"""

from __future__ import annotations

from functools import partial

for _name in ("overwrite", "swap"):
    _state = {"value": False}
    globals()[f"get_{_name}_module_params_on_conversion"] = partial(_state.get, "value")
    globals()[f"set_{_name}_module_params_on_conversion"] = partial(_state.__setitem__, "value")
