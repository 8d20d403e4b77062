"""All parameters of a run, by subject; `Parameters` composes them."""

from sim.parameters.parameters import Parameters
from sim.parameters.schema import ParameterError, walk

__all__ = ["ParameterError", "Parameters", "walk"]
