"""JPEG 2000, as in cinemas, archives and medicine.

Its strength is the PSNR of the coded image, to which OpenJPEG spends as many bytes as it takes, as
JPEG does for a quality: at one rate detailed images would be destroyed and smooth ones unharmed. On
LQ images of photographs 32, 28 and 24 dB are what JPEG has at the qualities 75, 50 and 10. The
integer 5/3 wavelet is taken, since sums of the other one depend on the machine.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...families import JPEG2000
from ..recipe import Recipe, add

_LEVELS = 6  # OpenJPEG's usual number of resolutions


@dataclass(frozen=True)
class Jpeg2000:
    """OpenJPEG at a PSNR of ``decibels``."""

    decibels: int
    libraries = ("pillow", "openjpeg (pillow)")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The image compressed and decompressed."""
        # Of very smooth images OpenJPEG drops nearly all: it is asked for more until it gives
        # what was wanted, a decibel less at most.
        worst = 255**2 / 10 ** ((self.decibels - 1) / 10)
        for more in range(0, 31, 3):
            coded = _coded(image, self.decibels + more)
            error = np.square(coded.astype(np.int64) - image).sum()
            if error <= worst * image.size:
                return coded
        return image


def _coded(image: np.ndarray, decibels: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(
        file,
        "JPEG2000",
        no_jp2=True,
        irreversible=False,
        quality_mode="dB",
        quality_layers=[decibels],
        # A resolution more than the sides allow is refused.
        num_resolutions=min(_LEVELS, min(image.shape[:2]).bit_length()),
    )
    return np.asarray(Image.open(file).convert("RGB"))


for _decibels, _source in (
    (32, "as strong as JPEG at 75"),
    (28, "as strong as the papers' JPEG"),
    (24, "as strong as JPEG at 10"),
):
    add(
        f"jpeg2000_{_decibels}",
        Recipe(
            (JPEG2000,),
            f"PSNR {_decibels} dB",
            "digital cinema, scans, archives",
            _source,
            codec=Jpeg2000(_decibels),
        ),
    )
