"""Checks of a model before its training; one file per check, the file name is the check's id."""
