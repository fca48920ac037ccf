"""Random degradations of a whole batch at once, each sample with parameters of its own.

Samples of different sizes lie in the top left corners of canvases of one size; ``sizes`` (N, 2)
holds their true heights and widths as a tensor. No operation waits for the device or has a shape
that depends on values, so that a GPU is never idle for the host and the work can be captured in a
CUDA graph. Pixels outside a sample's true size are finite and mean nothing.
"""
