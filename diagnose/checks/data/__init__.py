"""Checks of data before a training; one file per check, the file name is the check's id."""
