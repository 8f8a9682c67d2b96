"""Hyperparameter search that knows what a sick training looks like.

Arrives with the search: spaces, the search itself, pruning and repair from findings, tracking. It may import `diagnose`
and `recipes`; neither imports it.
"""
