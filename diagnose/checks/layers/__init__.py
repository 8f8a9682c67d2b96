"""Checks on the layer statistics that a log may carry as columns ``<statistic>/<layer>``."""
