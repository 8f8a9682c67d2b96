"""Faulty and sound models and data sets: how often the audit is right, and how often it cries wolf."""
