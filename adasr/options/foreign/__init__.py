"""Option files of other projects, taken as they are: BasicSR, Real-ESRGAN and the dropout papers.

Each module takes over one part of the file. What has another name here is renamed, what BasicSR
means by a key that is left out is written down, what needs nothing here is told, and what cannot be
honoured is an error that names the key.
"""

from .draft import Translation
from .translate import is_foreign, translate

__all__ = ["Translation", "is_foreign", "translate"]
