"""Run before the checks were mended by it."""
