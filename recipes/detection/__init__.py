"""Objects in images: boxes, the target grid, decoding, average precision, the loss, and pictures.

A box is centre x, centre y, width, height, each as a share of the image. All but the loss is NumPy alone.
"""
