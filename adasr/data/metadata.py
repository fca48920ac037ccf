"""What an image file says beside its pixels, and how it stays true when the pixels change."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .exif import upright_exif

_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:=["']|>))[2-8](?=["'<])""")


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels; everything is optional.

    Attributes:
        icc: an ICC profile of the pixels' colours.
        exif: EXIF as the bytes of a TIFF (without the ``Exif`` mark of JPEG). Its orientation is 1
            where pixels were turned when read, and it has no preview.
        xmp: an XMP packet (UTF-8 XML).
        dpi: pixels per inch, horizontally and vertically.
        text: keyword and text of a PNG's text chunks, e.g. Author, Copyright, Description; other
            formats than PNG do not get them. IPTC, as some JPEG files have it, is not kept: what
            it says is mostly in the XMP too.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()

    def fitting(self, height: int, width: int, channels: int) -> Metadata:
        """The part that is true of an image of this size and kind.

        EXIF gets the new size. A colour profile is kept for colours, a gray one for gray, no other.
        """
        exif = upright_exif(self.exif, (height, width), turn=False) if self.exif else None
        icc = self.icc if is_profile_for(self.icc, channels) else None
        return replace(self, icc=icc, exif=exif)

    def turned(self) -> Metadata:
        """The same beside pixels that were turned upright: EXIF and XMP ask for no more turn."""
        exif = upright_exif(self.exif) if self.exif else None
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", self.xmp) if self.xmp else None
        return replace(self, exif=exif, xmp=xmp)


def is_profile_for(icc: bytes | None, channels: int) -> bool:
    """Whether an ICC profile is of gray (1 or 2 channels) or of RGB (3 or 4), as the pixels are."""
    return icc is not None and icc[16:20] == (b"GRAY" if channels <= 2 else b"RGB ")
