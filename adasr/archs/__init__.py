"""Super-resolution networks, built by name through ``adasr.registry.ARCH_REGISTRY``.

Every network tells three things about itself:

* ``upscale``: how many times larger its output is;
* ``default_sites``: where a regularizer is placed unless the user says otherwise, ordered from
  input to output. A site is a module name, ``*`` standing for one part of it, and means that
  module's output; with ``:input`` at its end it means the module's input. The last one is the
  input of the last convolution;
* ``size_multiple``: both sides of its input must be multiples of it.

No network contains dropout or another regularizer; ``adasr.regularizers.attach`` brings them in.
"""
