"""Recipes that build Keras models from one configuration.

Arrives with the recipes: one module per recipe, on shared backbones, heads, augmentation and data loading. It may
import `diagnose`, which never imports it.
"""
