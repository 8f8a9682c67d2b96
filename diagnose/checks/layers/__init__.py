"""Checks on the layer statistics that Monitor logs."""
