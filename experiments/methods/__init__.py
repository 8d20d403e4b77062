"""Studies of the model by many runs: absorption, branches, ladders, calibration."""
