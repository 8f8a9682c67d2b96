"""Labelled recordings: real Keras trainings, each with a known cause, and what verifiably went wrong in them."""
