"""The commands of firesale: for each module its commands, and the first line of each one's docstring.

The list of commands is printed from this table, so that it takes no import of what the commands need.
"""

COMMANDS = {
    "run_commands": {
        "run": "Run a scenario: print who failed, what forced units fetch and what lenders lose; store tables and figures.",
        "absorption": "Measure how many units one week absorbs, moved and in place, slots loose and tight: two minutes.",
        "figures": "Draw the figures of a stored run again: PNG, PDF, and the plotted numbers as CSV.",
    },
    "lookup_commands": {
        "digest": "Print the digest of a run or sweep, after a check of every file of it. Equal results have equal digests.",
        "scenarios": "List the shipped scenarios and their arms.",
        "schema": "List every parameter: value, range, unit, meaning, source, grade, the rooms that read it, what it needs.",
    },
    "maintenance_commands": {
        "notebooks": "Execute the notebooks (py:percent) and write the executed .ipynb beside them.",
        "bench": "Time a week, a scenario, and the command's start, and weigh the memory models leave behind.",
        "doctor": "Say what is installed, which code NumPy chooses on this machine, and whether the model runs here.",
    },
    "sweep_commands": {
        "sweep": "Compute every run of an experiment that is not stored yet. "
        "The same command resumes, after whatever happened.",
        "slurm": "Print a batch script that computes a sweep as an array of SLURM jobs.",
        "replay": "Repeat one run of a sweep in this process: "
        "its outcomes beside the stored ones, or its error with all of its origin.",
    },
    "analysis_commands": {
        "sensitivity": "Say what moves the outcomes of a sweep: "
        "Morris or Sobol by its design, PAWN, and the seed's own share.",
        "discover": "Find the corner of parameter space where an outcome passes a threshold (PRIM; needs EMA Workbench).",
        "compare": "Compare two results run by run on the same shocks: differences b - a with intervals.",
        "verify": "Repeat a sample of a sweep's runs and compare every number bit for bit.",
        "validate": "Score the model against what is known: "
        "passes, failures, and what cannot be scored, with intervals over seeds.",
        "metrics": "Print the credit metrics of a stored run: "
        "loan to value, dates, depth, fair spreads, bridge, convergence.",
        "branches": "Clone the forced week three ways (sold, held, no default) "
        "and say what the sale does to price, rent and others.",
        "calibrate": "History matching: what the data do not rule out, "
        "and every headline's range over it. Resumes by itself.",
    },
    "credit_commands": {
        "trace": "Tell why a party failed: "
        "from its first failed test to what its lenders recovered, and the cause of every sale.",
        "ladder": "Add a scenario's mechanisms, or move its assumptions, one at a time: "
        "means and paired differences over seeds.",
    },
}
MODULES = {name: module for module, helps in COMMANDS.items() for name in helps}
