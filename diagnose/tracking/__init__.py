"""MLflow: what a training comes to, in a tracking store. The package is imported when something is stored."""
