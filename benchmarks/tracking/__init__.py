"""What MLflow costs, and what it is like with very many trials."""
