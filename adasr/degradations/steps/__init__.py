"""The steps that a ``Pipeline`` is composed of, registered in ``STEP_REGISTRY``.

A step is a class with its ranges as options. Called as ``step(sample)`` it draws its parameters for
that one sample and adds operators to it; those act on the part of the image that is wanted.
"""
