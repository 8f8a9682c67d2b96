"""The remedies that findings offer, one module per group of change paths.

Each function returns one `Fix`; its arguments fit it to the run (the rate in use, the epoch to stop at).
"""
