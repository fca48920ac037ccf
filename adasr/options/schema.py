"""The options of a training or a test, typed and unchangeable: the keys of an option YAML."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PrivateAttr, field_validator

from ..errors import OptionError
from ..registry import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    DEGRADATION_REGISTRY,
    DISCRIMINATOR_REGISTRY,
    LOSS_REGISTRY,
    LR_REGISTRY,
    METRIC_REGISTRY,
    OPTIMIZER_REGISTRY,
    REGULARIZER_REGISTRY,
    SCHEDULE_REGISTRY,
)
from .components import Component, Of, Section
from .fields import (
    CompileMode,
    FilePath,
    MetricLabels,
    NoneWord,
    Positive,
    Sites,
    UnusedWandb,
    WholeNumber,
    check_folder_name,
)
from .source import Source


class RegularizerOptions(Component):
    """What acts on features in training, where and when."""

    sites: Sites | None = None
    """default, last, a module name with * wildcards, or a list of such; the regularizer's own by
    default."""
    schedule: Annotated[Annotated[Component, Of(SCHEDULE_REGISTRY)] | None, NoneWord] = None
    """How the sites' weights change in training; none: they stay."""


class TrainDataset(Component):
    """The training set and how it is loaded."""

    batch_size_per_gpu: Positive = 16
    """Crops per batch and process."""
    num_worker_per_gpu: Annotated[int, Field(ge=0), WholeNumber] = 1
    """Loading processes per training process; 0 loads in the training process itself."""


class DatasetOptions(Section):
    """The datasets: ``train`` and any number whose names start with ``val`` or ``test``."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Component, Of(DATASET_REGISTRY)]] = Field(init=False)

    train: Annotated[TrainDataset, Of(DATASET_REGISTRY)] | None = None
    """The training set."""

    @property
    def scored(self) -> dict[str, Component]:
        """The ``val*`` and ``test*`` datasets by name, in the file's order."""
        return dict(self.__pydantic_extra__ or {})


class PathOptions(Section):
    """Files to start from and folders for results; relative ones start at the working directory."""

    pretrain_network_g: FilePath | None = None
    """Weights to start from or to test."""
    param_key_g: str | None = None
    """Which weights of a .pth file that holds several, e.g. params; its EMA weights by default."""
    strict_load_g: bool = True
    """Refuse weights that lack a parameter of the network, or have one too many."""
    pretrain_network_d: FilePath | None = None
    """Weights that the discriminator starts from."""
    strict_load_d: bool = True
    """The same for the discriminator as strict_load_g for the network."""
    resume_state: FilePath | None = None
    """Training state to go on from."""
    experiments_root: FilePath = Path("experiments")
    """Folder of all trainings."""
    results_root: FilePath = Path("results")
    """Folder of all test results."""


class TrainOptions(Section):
    """How the network is trained."""

    total_iter: Positive = 0
    """Iterations in all, e.g. 500000. Only a test has none, then it reads 0."""
    warmup_iter: Annotated[int, Field(ge=-1), WholeNumber] = -1
    """The learning rate rises from 0 for so many iterations; -1: it doesn't."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the weights' moving average, which is validated and saved; 0: none."""
    optim_g: Annotated[Component, Of(OPTIMIZER_REGISTRY)] = Component(type="Adam")
    """The optimizer."""
    scheduler: Annotated[Annotated[Component, Of(LR_REGISTRY)] | None, NoneWord] = None
    """The learning-rate schedule; none: the rate stays."""
    pixel_opt: Annotated[Annotated[Component, Of(LOSS_REGISTRY)] | None, NoneWord] = Component(
        type="L1Loss"
    )
    """The loss between SR and GT pixels."""
    perceptual_opt: Annotated[Annotated[Component, Of(LOSS_REGISTRY)] | None, NoneWord] = None
    """A loss between SR and GT features."""
    align_opt: Annotated[Annotated[Component, Of(LOSS_REGISTRY)] | None, NoneWord] = None
    """A loss between the network's features of two degradations of each image."""
    gan_opt: Annotated[Annotated[Component, Of(LOSS_REGISTRY)] | None, NoneWord] = None
    """The adversarial loss, on the output of network_d."""
    optim_d: Annotated[Component, Of(OPTIMIZER_REGISTRY)] | None = None
    """The discriminator's optimizer; none: as optim_g."""
    l1_gt_usm: bool | None = None
    """Compare with the GT that degradation.gt_usm sharpens in pixel_opt; false: with the plain one;
    none: as degradation.gt_usm."""
    percep_gt_usm: bool | None = None
    """The same for perceptual_opt."""
    gan_gt_usm: bool | None = None
    """The same for the discriminator."""
    net_d_iters: Positive = 1
    """The network is trained in every so many iterations, the discriminator in all."""
    net_d_init_iters: Annotated[int, Field(ge=0), WholeNumber] = 0
    """The discriminator is trained alone for so many iterations at the start."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """What the network computes in; auto: what is fast here and trains well."""
    grad_clip: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Largest norm of the gradient; none: any."""
    accumulate: Positive = 1
    """Batches per step of the optimizer."""
    compile: CompileMode = False
    """Use torch.compile: true, false or one of its modes."""
    channels_last: bool | None = None
    """Memory layout of the features; none: what is fast."""
    checkpoint_activations: bool = False
    """Compute the features of the network's blocks twice, to save the memory they take."""
    deterministic: bool = False
    """Only algorithms that give the same bits each time on a GPU; a CPU does so anyway."""


class ValOptions(Section):
    """How a network is scored, in training and by a test."""

    val_freq: Positive = 5000
    """Iterations between two validations."""
    metrics: Annotated[
        dict[str, Annotated[Component, Of(METRIC_REGISTRY)]],
        MetricLabels(),
    ]
    """Metrics by label, e.g. {psnr: {crop_border: 4}}; the first one chooses the best weights."""
    save_img: bool = False
    """Write the upscaled images."""
    log_images: Annotated[int, Field(ge=0)] = 4
    """Crops of each dataset shown in TensorBoard at every validation; 0: none."""


class WandbOptions(Section):
    """Where Weights & Biases logs to."""

    project: Annotated[str, Field(min_length=1)]
    """Its project."""
    resume_id: str | None = None
    """The run to go on with."""


class LoggerOptions(Section):
    """What is told and kept of a training."""

    print_freq: Positive = 100
    """Iterations between two lines of the log."""
    save_checkpoint_freq: Positive = 5000
    """Iterations between two checkpoints."""
    keep_checkpoints: Positive = 3
    """How many of the last checkpoints to keep; the best weights are kept anyway."""
    use_tb_logger: bool = True
    """Write TensorBoard events."""
    wandb: Annotated[WandbOptions | None, UnusedWandb] = None
    """Log to Weights & Biases."""


class Options(Section):
    """All options of one training or test, checked. Made by ``load_options``."""

    name: str
    """The experiment's name, also that of its folder."""
    scale: Positive
    """How many times larger SR is than LQ."""
    manual_seed: Annotated[int, Field(ge=0, lt=2**32 - 2**16), WholeNumber] = 0
    """Where every random number comes from."""
    network_g: Annotated[Component, Of(ARCH_REGISTRY)]
    """The network; its ``upscale`` is filled in from ``scale``."""
    network_d: Annotated[Annotated[Component, Of(DISCRIMINATOR_REGISTRY)] | None, NoneWord] = None
    """The discriminator of adversarial training; none: there is no such training."""
    regularizer: Annotated[
        Annotated[RegularizerOptions, Of(REGULARIZER_REGISTRY)] | None, NoneWord
    ] = None
    """What acts on its features in training."""
    degradation: Annotated[Annotated[Component, Of(DEGRADATION_REGISTRY)] | None, NoneWord] = None
    """What makes LQ from GT in training; none where the dataset has both."""
    datasets: DatasetOptions = DatasetOptions()
    """train, and any number whose names start with val or test."""
    path: PathOptions = PathOptions()
    """Files to start from, folders for results."""
    train: TrainOptions = TrainOptions()
    """How the network is trained."""
    val: ValOptions | None = None
    """How it is scored."""
    logger: LoggerOptions = LoggerOptions()
    """What is told and kept."""

    _source: Source = PrivateAttr(default_factory=Source)

    @field_validator("name")
    @classmethod
    def _is_folder_name(cls, name: str) -> str:
        check_folder_name(name)
        return name

    @property
    def source(self) -> Source:
        """The file and the overrides that the options came from."""
        return self._source

    @property
    def validation_datasets(self) -> dict[str, Component]:
        """The datasets scored while training: those whose names start with ``val``."""
        return {k: d for k, d in self.datasets.scored.items() if k.startswith("val")}

    @property
    def test_datasets(self) -> dict[str, Component]:
        """The datasets of a test: those whose names start with ``test``; without any, ``val``."""
        tests = {k: d for k, d in self.datasets.scored.items() if k.startswith("test")}
        return tests or self.validation_datasets

    def require_train(self) -> None:
        """Raise ``OptionsFileError`` unless there is all that a training needs."""
        errors = []
        if self.datasets.train is None:
            hint = "Give it, e.g. {type: ImageFolder, dataroot_gt: FOLDER, gt_size: 128}."
            errors.append(OptionError("there is no training set.", ("datasets", "train"), hint))
        if not self.train.total_iter:
            hint = "How many iterations? E.g. 500000."
            errors.append(OptionError("the option is missing.", ("train", "total_iter"), hint))
        if errors:
            raise self.source.error(errors)

    def require_test(self) -> None:
        """Raise ``OptionsFileError`` unless there is all that a test needs."""
        errors = []
        if not self.test_datasets:
            hint = "Add datasets.test, e.g. {type: PairedFolder, dataroot_gt: .., dataroot_lq: ..}."
            errors.append(OptionError("there is no test set.", ("datasets",), hint))
        if self.val is None:
            hint = "E.g. val: {metrics: {psnr: {crop_border: 4}}}."
            errors.append(OptionError("there are no metrics.", ("val",), hint))
        if self.path.pretrain_network_g is None:
            hint = "Name the weights to test."
            key = ("path", "pretrain_network_g")
            errors.append(OptionError("the option is missing.", key, hint))
        if errors:
            raise self.source.error(errors)

    @contextlib.contextmanager
    def at(self, *key: str) -> Iterator[None]:
        """Give an ``OptionError`` from inside the key and the place in the file it came from.

        For faults that only show when a part is built::

            with options.at("network_g"):
                net = build_network(options.network_g.options)
        """
        try:
            yield
        except OptionError as error:
            raise self.source.error([error.under(*key)]) from None

    def __eq__(self, other: object) -> bool:
        """Equal options, wherever they came from."""
        return isinstance(other, Options) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]
