"""Labelled runs of networks with something wrong in their layers, and of deep networks with nothing wrong."""
