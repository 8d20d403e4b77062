"""All parameters of a run, by subject; `Parameters` composes them."""

from sim.parameters.parameters import Parameters
from sim.parameters.schema import ParameterError, dotted, walk

__all__ = ["ParameterError", "Parameters", "dotted", "walk"]
