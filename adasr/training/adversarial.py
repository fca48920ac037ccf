"""The discriminator's side of adversarial training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..weights.save import write_safetensors
from .finite import can_defer, step_unless

CHECKED = "d_step_checked"
"""The value of ``Adversary.update`` that is not finite where a step of the discriminator was left
out; it is there where it was, and where only the device knows."""

DISCRIMINATOR_ADVICE = (
    "Try a smaller learning rate of the discriminator (train.optim_d.lr), another gan_type in "
    "train.gan_opt, or train.precision: fp32."
)
"""What to change when the discriminator's steps are left out again and again."""


class Adversary:
    """A discriminator that learns to tell SR from GT, and what it says to the generator.

    One iteration of a training with it, as BasicSR's SRGANModel and ESRGANModel have it::

        sr = model(lq)                                # without a gradient unless trains_generator
        if adversary.trains_generator(iteration):
            losses |= adversary.generator_loss(sr, gt)
            ...                                       # backward and a step of the generator
        values = adversary.update([(sr, gt)])         # a step of the discriminator

    Args:
        net: the plain discriminator, on the accelerator's device.
        optimizer: over the parameters of ``net``.
        loss: ``GANLoss``, or another with its signature: (logits, target_is_real, is_disc).
        accelerator: device, precision, processes.
        net_d_iters: the generator is trained in every so many iterations.
        net_d_init_iters: and not in the first so many.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: nn.Module,
        accelerator: Accelerator,
        *,
        net_d_iters: int = 1,
        net_d_init_iters: int = 0,
    ) -> None:
        self.net, self.loss, self.accelerator = net.train(), loss, accelerator
        self.net_d_iters, self.net_d_init_iters = net_d_iters, net_d_init_iters
        self.relativistic = bool(getattr(loss, "relativistic", False))
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.model, self.optimizer = accelerator.prepare(net, optimizer)
        self.parameters = [p for p in net.parameters() if p.requires_grad]
        self.deferred = can_defer(accelerator, self.optimizer)
        self._remember_buffers()

    def trains_generator(self, iteration: int) -> bool:
        """Whether the generator is trained in ``iteration`` (1-based)."""
        return iteration % self.net_d_iters == 0 and iteration > self.net_d_init_iters

    def generator_loss(self, sr: Tensor, gt: Tensor | None = None) -> dict[str, Tensor]:
        """``{"l_g_gan": ...}``, weighted, to be added to the generator's other losses.

        The discriminator is frozen: the gradient goes to ``sr`` alone.

        Args:
            sr: (N, C, H, W), with its graph.
            gt: the same shape; a relativistic loss compares with it.

        Raises:
            ValueError: the loss is relativistic and ``gt`` is not given.
        """
        if self.relativistic and gt is None:
            raise ValueError("a relativistic loss compares SR with GT: give both")
        # The plain network: a data-parallel wrapper would wait for gradients that never come.
        with self._frozen():
            if not self.relativistic or gt is None:
                return {"l_g_gan": self.loss(self._judge(self.net, sr), True, is_disc=False)}
            with torch.no_grad():
                real = self._judge(self.net, gt)
            fake = self._judge(self.net, sr)
            parts = (
                self.loss(real - fake.mean(), False, is_disc=False),
                self.loss(fake - real.mean(), True, is_disc=False),
            )
            return {"l_g_gan": torch.stack(parts).mean()}

    def update(
        self, pairs: Sequence[tuple[Tensor, Tensor]], left_out: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One step of the discriminator on (SR, GT) pairs, one per accumulated part.

        Every process does the same number of backward passes; gradients are reduced in the last.
        A step whose losses or gradients are not finite in any process is left out in all, and the
        discriminator stays as it was. On a GPU that is seen to there, without waiting for it.

        Args:
            pairs: (SR, GT), each (N, C, H, W).
            left_out: a boolean on the device, alike in all processes: whether the generator's step
                of this iteration was left out, and this one is to be.

        Returns:
            ``l_d_real``, ``l_d_fake`` and the mean outputs ``out_d_real``, ``out_d_fake``,
            detached means over the parts; perhaps ``CHECKED``.
        """
        self.optimizer.zero_grad(set_to_none=True)
        values: dict[str, Tensor] = {}
        for index, (sr, gt) in enumerate(pairs):
            found = self._descend(sr.detach(), gt.detach(), len(pairs), index == len(pairs) - 1)
            for name, value in found.items():
                values[name] = values.get(name, 0.0) + value.detach() / len(pairs)
        checked = self._checked(values)
        bad = ~torch.isfinite(checked)
        skipped = bad if left_out is None else bad | left_out
        if self.deferred:
            self._step_unless(skipped)
            values[CHECKED] = checked
        elif bool(skipped):
            self.discard()
            self.optimizer.zero_grad(set_to_none=True)
            values |= {CHECKED: checked} if bool(bad) else {}
        else:
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self._remember_buffers()
        return values

    def discard(self) -> None:
        """Forget what was seen since the last step: for an iteration that is left out.

        After a NaN in ``generator_loss`` the buffers of batch normalization would keep it.
        """
        with torch.no_grad():
            for buffer, kept in zip(self.net.buffers(), self._buffers, strict=True):
                buffer.copy_(kept)

    def set_learning_rate(self, factor: float) -> None:
        """Set the learning rates to ``factor`` times those that the optimizer was made with."""
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = factor * base

    def state_dict(self) -> dict[str, Any]:
        """The network, its buffers (of spectral normalization) included, and the optimizer."""
        return {
            "network": dict(self.net.state_dict()),
            "optimizer": dict(self.optimizer.state_dict()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``.

        Raises:
            KeyError, RuntimeError, ValueError: it is of another discriminator.
        """
        self.net.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._remember_buffers()

    def save_weights(self, path: Path, metadata: Mapping[str, str] | None = None) -> None:
        """Write the discriminator's weights (.safetensors), for ``path.pretrain_network_d``.

        Args:
            path: e.g. ``models/net_d_5000.safetensors``.
            metadata: what the file says of itself, all text.

        Raises:
            OSError: the place cannot be written, or the disk is full; an earlier file stays.
        """
        # Not save_network, whose files tell a network that makes images.
        write_safetensors(path, self.net.state_dict(), metadata or {})

    def _descend(self, sr: Tensor, gt: Tensor, parts: int, last: bool) -> dict[str, Tensor]:
        """The gradients of one part are added to those that are there.

        Real and generated images go through the network in batches of their own, each with its
        backward pass: buffers that change in a forward pass must not do so before it.
        """
        against_real, against_fake, share = 0.0, 0.0, 1.0 / parts
        if self.relativistic:
            share /= 2.0
            with torch.no_grad():
                against_real = self._judge(self.net, sr).mean()
        with self.accelerator.no_sync(self.model):
            real = self._judge(self.model, gt)
            l_real = self.loss(real - against_real, True, is_disc=True)
            self.accelerator.backward(l_real * share)
        if self.relativistic:
            against_fake = real.detach().mean()
        with contextlib.nullcontext() if last else self.accelerator.no_sync(self.model):
            fake = self._judge(self.model, sr)
            l_fake = self.loss(fake - against_fake, False, is_disc=True)
            self.accelerator.backward(l_fake * share)
        return {
            "l_d_real": l_real * share * parts,
            "l_d_fake": l_fake * share * parts,
            "out_d_real": real.mean(),
            "out_d_fake": fake.mean(),
        }

    def _judge(self, model: nn.Module, images: Tensor) -> Tensor:
        with self.accelerator.autocast():
            return model(images).float()

    @contextlib.contextmanager
    def _frozen(self) -> Iterator[None]:
        for parameter in self.parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self.parameters:
                parameter.requires_grad_(True)

    def _checked(self, values: Mapping[str, Tensor]) -> Tensor:
        """A number that is finite where the losses and gradients of all processes are."""
        watched = [values["l_d_real"], values["l_d_fake"]]
        if self.accelerator.scaler is None:  # fp16's meets infinite gradients by design
            gradients = [p.grad for p in self.parameters if p.grad is not None]
            watched.append(torch.nn.utils.get_total_norm(gradients))
        found = torch.stack(watched)
        if self.accelerator.num_processes > 1:  # all must decide alike
            found = cast(Tensor, self.accelerator.reduce(found))
        # Not their sum, which may be infinite where none of them is.
        return torch.where(torch.isfinite(found).all(), 0.0, float("nan"))

    def _step_unless(self, skipped: Tensor) -> None:
        """A step where ``skipped`` is false; else the buffers are as after the last one."""
        if self.accelerator.scaler is not None:
            # It looks at the gradients alone, and may be to leave the step out for another reason.
            gradients = [p.grad for p in self.parameters if p.grad is not None]
            torch._foreach_mul_(gradients, torch.where(skipped, float("nan"), 1.0))
        step_unless(skipped, self.optimizer, self.accelerator)
        with torch.no_grad():
            for buffer, kept in zip(self.net.buffers(), self._buffers, strict=True):
                kept.copy_(torch.where(skipped, kept, buffer))
                buffer.copy_(kept)

    def _remember_buffers(self) -> None:
        """Batch normalization follows what it sees in the forward pass, NaN too."""
        self._buffers = [buffer.detach().clone() for buffer in self.net.buffers()]
