"""GT to LQ: blur, resizing, noise and JPEG, their random pipelines and the fixed test recipes.

Training degradations are registered in ``DEGRADATION_REGISTRY`` (``RealESRGAN``,
``RealESRGANFirstOrder``, ``Bicubic``) and called as ``lq, gt = degradation(gt, generator)``; test
sets are made by ``testset.degrade``.
"""
