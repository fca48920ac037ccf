"""Fixed test degradations: an 8-bit image, a recipe and the image's name -> always the same LQ.

The eight recipes of Kong et al. (CVPR 2022) and Xu et al. (CVPR 2025), more strengths of what they
are made of, and families of degradations that networks are seldom trained on. Adding a family is
adding a file to ``families/``.
"""

from ..families import FAMILIES as FAMILIES
from .apply import degrade as degrade
from .apply import modcrop as modcrop
from .folder import TestsetReport as TestsetReport
from .folder import verify_testset as verify_testset
from .folder import write_testset as write_testset
from .groups import GROUPS as GROUPS
from .groups import RECIPES as RECIPES
from .groups import STANDARD as STANDARD
from .groups import expand_recipes as expand_recipes
from .groups import find_recipe as find_recipe
from .manifest import MANIFEST as MANIFEST
from .manifest import compare_manifests as compare_manifests
from .manifest import read_manifest as read_manifest
from .recipe import Recipe as Recipe
