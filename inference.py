"""Upscale a file or folder of images: ``python inference.py -i inputs -o results -m WEIGHTS``."""

import sys

from adasr.cli import main

if __name__ == "__main__":
    sys.exit(main(["infer", *sys.argv[1:]]))
