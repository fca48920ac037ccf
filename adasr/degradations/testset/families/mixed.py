"""Several families at once, of mild to strong: what real images have."""

from __future__ import annotations

from ..recipe import mix
from . import defocus, gaussian, jpeg2000, motion, poisson, resizing, salt_and_pepper, speckle, webp

# Their recipes must be there before they are mixed.
_PARTS = (defocus, gaussian, jpeg2000, motion, poisson, resizing, salt_and_pepper, speckle, webp)

for _names, _imitates in (
    (("motion7", "poisson60", "webp50"), "a phone's snapshot, sent (mild)"),
    (("defocus2", "speckle15", "jpeg2000_28"), "a scanned slide (mild)"),
    (("motion15", "noise20", "jpeg50"), "the papers' chain with motion in place of blur (medium)"),
    (("blur2", "saltpepper2", "jpeg50"), "the papers' chain with impulses for noise (medium)"),
    (("shake15", "poisson25", "webp25"), "a snapshot at night (medium)"),
    (("defocus4", "poisson12", "jpeg30"), "a night scene out of focus (strong)"),
    (("motion25", "saltpepper6", "webp25"), "a damaged film (strong)"),
):
    mix(*_names, imitates=_imitates, source="families and strengths from above")
