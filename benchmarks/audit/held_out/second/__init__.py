"""Run after the checks had been mended by the first, before anything was by this."""
