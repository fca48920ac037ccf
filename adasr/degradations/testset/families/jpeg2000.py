"""JPEG 2000, as in cinemas, archives and medicine; rates as in the LIVE database.

Sheikh et al. (IEEE TIP 2006) code from 0.03 to 3.2 bits a pixel; 1:20, 1:40 and 1:80 are 1.2, 0.6
and 0.3. The integer 5/3 wavelet is taken, since sums of the other one depend on the machine. A file
is allowed its header beside that, or small images would be all header.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...families import JPEG2000
from ..recipe import Recipe, add

_HEADER = 160  # bytes of a file without any pixel
_LEVELS = 6  # OpenJPEG's usual number of resolutions


@dataclass(frozen=True)
class Jpeg2000:
    """OpenJPEG at ``ratio`` times fewer bytes than the raw image."""

    ratio: int
    libraries = ("pillow", "openjpeg (pillow)")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The image compressed and decompressed."""
        rate = image.size / (_HEADER + image.size / self.ratio)
        file = io.BytesIO()
        Image.fromarray(image).save(
            file,
            "JPEG2000",
            no_jp2=True,
            irreversible=False,
            quality_mode="rates",
            quality_layers=[max(rate, 1.0)],
            # A resolution more than the sides allow is refused.
            num_resolutions=min(_LEVELS, min(image.shape[:2]).bit_length()),
        )
        return np.asarray(Image.open(file).convert("RGB"))


for _ratio in (20, 40, 80):
    add(
        f"jpeg2000_{_ratio}",
        Recipe(
            (JPEG2000,),
            f"1:{_ratio}, {24 / _ratio:g} bits a pixel",
            "digital cinema, scans, archives",
            "LIVE, Sheikh et al., IEEE TIP 2006",
            codec=Jpeg2000(_ratio),
        ),
    )
