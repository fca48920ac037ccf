"""What the loop spends its time on, and the line that says how it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Meter:
    """Seconds since the last ``read``, by what they were spent on."""

    def __init__(self) -> None:
        self._seconds = {"data": 0.0, "degradation": 0.0}
        self._total, self._count = 0.0, 0

    def add(self, seconds: Mapping[str, float]) -> None:
        """Parts of an iteration: "data" is waiting for it, "degradation" making pairs of it."""
        for name, value in seconds.items():
            self._seconds[name] += value

    def end(self, seconds: float) -> None:
        """A whole iteration, which its parts are a part of."""
        self._total += seconds
        self._count += 1

    def wait(self, seconds: float) -> None:
        """Time after an iteration that belongs to it: until a device had done its part."""
        self._total += seconds

    def read(self) -> dict[str, float]:
        """Iterations per second and shares of the time since the last call; starts anew."""
        total = max(self._total, 1e-9)
        found = {
            "iterations_per_second": self._count / total,
            "data_wait": self._seconds["data"] / total,
            "degradation": self._seconds["degradation"] / total,
        }
        self.__init__()
        return found


def status(
    losses: Mapping[str, float],
    speed: Mapping[str, float],
    scores: Mapping[str, float],
    weights: Sequence[float],
) -> str:
    """One line for the progress bar."""
    parts = [f"{speed['iterations_per_second']:.2f} it/s"]
    parts += [f"{name} {_short(value)}" for name, value in losses.items()]
    parts += [f"{name} {value:.2f}" for name, value in list(scores.items())[:1]]
    parts.append(f"data {speed['data_wait']:.0%}")
    done = sum(weight == 1.0 for weight in weights)
    if done:
        parts.append(f"sites {done}/{len(weights)} annealed")
    elif weights:
        parts.append(f"weights {weights[0]:.2f}")
    return ", ".join(parts)


def _short(loss: float) -> str:
    return f"{loss:.1e}" if 0 < loss < 1e-3 else f"{loss:.4f}"
