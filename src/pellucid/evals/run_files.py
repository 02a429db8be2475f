"""What an evaluation's run carries, by name: its files and the tag that says what it is."""

REPORT_FILE = "evaluation.json"
"""The artifact that holds an evaluation's report."""
SWEEP_FILE = "sweep.json"
"""The artifact that holds a sweep's configurations."""
TYPE_TAG = "pellucid.type"
"""The tag that tells evaluations and sweeps from other runs."""
EVALUATION = "evaluation"
SWEEP = "sweep"
PAGES = {EVALUATION: "evaluations", SWEEP: "sweeps"}
"""Where the server shows each kind."""
