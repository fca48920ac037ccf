"""Weights and training states of a run: written by one process, read by all.

Both are the same files whether the network was sharded or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from ..weights import save_network
from .adversarial import Adversary
from .checkpoint import (
    DISCRIMINATORS,
    STATE,
    WEIGHTS,
    explained,
    prune,
    random_state,
    restore_random_state,
    save_state,
)
from .ema import EMA
from .sharding import gathered, network_parts, optimizer_parts


class Saver:
    """Saves and restores all that a training changes.

    Args:
        accelerator: processes, and the loss scaler.
        net: the plain trained network.
        ema: its average, the weights that are saved.
        optimizer: of ``net``.
        adversary: the discriminator's side, if there is one.
        folder: the experiment's.
        keep: so many of the last weights and states stay.
        metadata: goes into the weights' files and the states.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        net: nn.Module,
        ema: EMA,
        optimizer: torch.optim.Optimizer,
        adversary: Adversary | None,
        folder: Path,
        keep: int,
        metadata: Mapping[str, str],
    ) -> None:
        self.accelerator, self.net, self.ema = accelerator, net, ema
        self.optimizer, self.adversary = optimizer, adversary
        self.folder, self.keep, self.metadata = folder, keep, metadata
        self._random_state: dict[str, Any] | None = None

    def save(self, iteration: int, progress: Mapping[str, Any]) -> None:
        """Write weights and training state of this moment, then drop the oldest.

        Args:
            iteration: the last one that is done.
            progress: what the state holds of the loop: numbers and lists of them, by name.

        Raises:
            TrainingError: the disk is full or the place cannot be written.
        """
        random_states = gather_object([random_state()])
        main = self.accelerator.is_main_process
        average = self.ema.whole(main)
        parts = gathered(self._parts(), main)
        if main:
            models, states = self.folder / "models", self.folder / "training_states"
            self.save_weights(average, str(iteration), iteration)
            state = {"iteration": iteration, **parts, "ema": average.state_dict(), **progress}
            state |= {"random": random_states, "metadata": dict(self.metadata)}
            save_state(states / f"{iteration}.state", state)
            prune(models, WEIGHTS, self.keep)
            if self.adversary is not None:
                path = models / f"net_d_{iteration}.safetensors"
                with explained(path):
                    self.adversary.save_weights(path)
                prune(models, DISCRIMINATORS, self.keep)
            prune(states, STATE, self.keep)
        self.accelerator.wait_for_everyone()

    def save_weights(self, network: nn.Module, label: str, iteration: int) -> None:
        """Write the weights of a whole network as ``net_g_<label>.safetensors``.

        Raises:
            TrainingError: the disk is full or the place cannot be written.
        """
        path = self.folder / "models" / f"net_g_{label}.safetensors"
        metadata = {**self.metadata, "iteration": str(iteration)}
        with explained(path):
            save_network(path, network, metadata)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put everything back to where ``state`` was saved, but for the random generators.

        Raises:
            KeyError, RuntimeError, ValueError: it is of another training.
        """
        self.net.load_state_dict(network_parts(state["network"], self.net))
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(optimizer_parts(state["optimizer"], self.optimizer))
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        if self.adversary is not None:
            if "adversary" not in state:
                raise ValueError("it holds no discriminator.")
            self.adversary.load_state_dict(state["adversary"])
        states, rank = state["random"], self.accelerator.process_index
        self._random_state = states[rank] if rank < len(states) else None

    def restore_random_state(self) -> None:
        """Put the global random generators back too, where the state had those of this process."""
        if self._random_state is not None:
            restore_random_state(self._random_state)

    def _parts(self) -> dict[str, Any]:
        scaler = self.accelerator.scaler
        parts = {
            "network": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        if self.adversary is not None:
            parts["adversary"] = self.adversary.state_dict()
        return parts
