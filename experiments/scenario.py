"""Scenarios under their public name; the room is `experiments.design`."""

from experiments.design.scenario import Scenario, ScenarioError, load, settings_of, shipped

__all__ = ["Scenario", "ScenarioError", "load", "settings_of", "shipped"]
