"""Checks on the curves that any log has."""
