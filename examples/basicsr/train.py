"""BasicSR's training, with adasr in it: the first import is all that is new."""

from pathlib import Path

import adasr.integrations.basicsr  # mends BasicSR and fills its registries; comes first
from basicsr.train import train_pipeline

if __name__ == "__main__":
    train_pipeline(str(Path.cwd()))
