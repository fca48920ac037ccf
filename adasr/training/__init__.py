"""Weights from pairs: the loop, and what it needs to stop and go on."""
