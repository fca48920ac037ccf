"""Decoded images of a training set, kept for the next time they are wanted."""
