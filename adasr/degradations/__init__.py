"""GT to LQ: blur, resizing, noise and JPEG, their random pipelines and the fixed test recipes.

Training degradations are registered in ``DEGRADATION_REGISTRY`` (``RealESRGAN``, ``BSRGAN``,
``Denoise``, ...) and called as ``lq, gt = degradation(gt, generator)``; ``Pipeline`` composes one
of the steps in ``STEP_REGISTRY``. Test sets are made by ``testset.degrade``.
"""
