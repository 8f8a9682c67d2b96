"""Searches beside those of KerasTuner and Optuna: what is found, how fast, and what stopping sick trials costs."""
