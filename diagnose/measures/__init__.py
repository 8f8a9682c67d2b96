"""Measures on curves and layer statistics: NumPy only, shared by checks."""
