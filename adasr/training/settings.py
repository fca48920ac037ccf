"""The numbers that a training is given, and those that it ends with."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainSettings:
    """Numbers of a run; iterations are 1-based."""

    total_iter: int
    seed: int = 0
    warmup_iter: int = -1
    accumulate: int = 1
    grad_clip: float | None = None
    print_freq: int = 100
    val_freq: int = 5000
    save_freq: int = 5000
    keep_checkpoints: int = 3


@dataclass
class TrainingResult:
    """How a run ended: its last iteration, the last and best scores, and what stopped it."""

    iteration: int
    scores: dict[str, float] = field(default_factory=dict)
    best_iteration: int | None = None
    stopped_by: int | None = None
    skipped_files: dict[str, str] = field(default_factory=dict)
