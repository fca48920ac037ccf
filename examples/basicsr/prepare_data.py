"""Write small GT/LQ pairs made from scikit-image's photographs.

``data/train`` and ``data/val`` get ``HR`` (GT), ``clean`` (bicubic x4) and, for validation,
``noise20``. With images of your own, ``adasr degrade`` does the same.
"""

from pathlib import Path

from adasr.data.prepare import write_sub_images
from adasr.data.samples import write_samples
from adasr.evaluation.degrade import write_testsets

photographs, data = Path("data/photographs"), Path("data")
write_samples(photographs)
write_sub_images(photographs / "train", photographs / "crops", size=192, step=192)
write_testsets(photographs / "crops", data / "train", ["clean"], scale=4, tell=print)
write_testsets(photographs / "val", data / "val", ["clean", "noise20"], scale=4, tell=print)
