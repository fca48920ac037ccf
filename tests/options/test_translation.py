"""Files of BasicSR, Real-ESRGAN and the dropout papers are taken as they are, with a report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adasr.options import Options, OptionsFileError, check_paths, dump_options, load_options
from adasr.options.foreign import translate
from adasr.options.yaml_text import parse

FOLDER = Path(__file__).parent / "foreign"
FILES = sorted(FOLDER.glob("*.yml"))
SHIPPED = sorted((Path(__file__).parents[2] / "options").glob("*/*.yml"))

pytestmark = pytest.mark.usefixtures("real_components", "basicsr")

Load = Callable[..., Options]


def foreign(name: str, *overrides: str) -> Options:
    return load_options(FOLDER / f"{name}.yml", overrides)


def report(name: str, *overrides: str) -> str:
    return "\n".join(foreign(name, *overrides).source.notes)


def faults(name: str, *overrides: str) -> list[str]:
    """Each without the file's folder."""
    with pytest.raises(OptionsFileError) as caught:
        foreign(name, *overrides)
    return str(caught.value).replace(f"{FOLDER}/", "").splitlines()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_result_is_a_file_of_ours_that_builds_the_same_parts(
    file: Path, tmp_path: Path
) -> None:
    options = load_options(file)
    if file.name.startswith("test_"):
        options.require_test()
    else:
        options.require_train()
    ours = tmp_path / "ours.yml"
    ours.write_text(dump_options(options), encoding="utf-8")
    again = load_options(ours)
    assert again.source.notes == ()
    assert dump_options(again) == ours.read_text(encoding="utf-8")
    assert again.network_g.type == options.network_g.type
    assert list(again.datasets.scored) == list(options.datasets.scored)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_key_is_dropped_without_a_word(file: Path) -> None:
    mapping, _ = parse(file.read_text(encoding="utf-8"))
    found = translate(mapping)
    told, origins = "\n".join(found.report), set(found.origins.values())
    renamed = {old: new for new, old in found.origins.items() if old[0] == "datasets"}
    for key, value in leaves(mapping):
        ours = (*renamed.get(key[:2], key[:2]), *key[2:])
        kept = at(found.options, ours) == value
        label = key[2:] == ("name",) and ours[1].endswith(f"_{value}")
        assert kept or label or key in origins or named(key, told), key


def named(key: tuple[str, ...], told: str) -> bool:
    """Whether the key, or a section it stands in, is in the report."""
    wider = ("datasets", "*", *key[2:]) if key[0] == "datasets" else key
    names = [".".join(k[:n]) for k in (key, wider) for n in range(1, len(k) + 1)]
    return any(re.search(rf"(?<![\w.]){re.escape(n)}(?![\w.])", told) for n in names)


def leaves(mapping: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def at(mapping: Any, key: tuple[str, ...]) -> Any:
    for part in key:
        mapping = mapping.get(part, ...) if isinstance(mapping, dict) else ...
    return mapping


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_file_of_ours_is_left_alone(file: Path) -> None:
    mapping, _ = parse(file.read_text(encoding="utf-8"))
    found = translate(mapping)
    assert found.options is mapping
    assert (found.report, found.faults, dict(found.origins)) == ((), (), {})


@pytest.mark.parametrize(
    ("name", "arch", "regularizer"),
    [
        ("MSRResNet", "SRResNet", None),
        ("MSRResNet_details", "SRResNet", None),
        ("MSRResNet_detailss", "SRResNet", None),
        ("MSRResNet_dropoutlast_channel07", "SRResNet", ("ChannelDropout", 0.7)),
        ("MSRResNet_dropoutlast_element07", "SRResNet", ("ElementDropout", 0.7)),
        ("MSRResNet_details_dropoutlast_element07", "SRResNet", ("ElementDropout", 0.7)),
        ("MSRResNet_details_dropoutlast_channel05", "SRResNet", ("ChannelDropout", 0.5)),
        ("MSRResNet_details_dropoutlast_channel07", "SRResNet", ("AdaptiveDropout", 0.5)),
        ("RRDBNet_dropoutlast_channel05", "RRDBNet", ("ChannelDropout", 0.5)),
        ("RRDBNet_dropoutlast_element05", "RRDBNet", ("ElementDropout", 0.5)),
        ("SRVGGNetCompact", "Compact", None),
    ],
)
def test_a_network_s_name_tells_its_dropout(
    name: str, arch: str, regularizer: tuple[str, float] | None
) -> None:
    options = foreign("wang_srresnet", f"network_g={{type: {name}}}")
    assert options.network_g.options == {"type": arch, "upscale": 4}
    if regularizer is None:
        assert options.regularizer is None
    else:
        assert options.regularizer is not None
        assert (options.regularizer.type, options.regularizer.arguments["p"]) == regularizer
    assert f"{name} -> {arch}" in report("wang_srresnet", f"network_g={{type: {name}}}")


def test_the_ambiguous_name_is_adaptive_dropout_and_says_so() -> None:
    options = foreign("dropout_srresnet")
    assert options.regularizer is not None
    assert options.regularizer.arguments == {"p": 0.5, "weight": 0.3}
    assert options.regularizer.schedule is not None
    assert options.regularizer.schedule.options == {"type": "LayerwiseAnnealing", "interval": 20000}
    note = next(line for line in options.source.notes if "is two networks" in line)
    (remedy,) = [part for part in note.split("'") if part.startswith("regularizer=")]
    other = foreign("dropout_srresnet", remedy)
    assert other.regularizer is not None
    assert other.regularizer.options == {"type": "ChannelDropout", "p": 0.7}
    assert "is two networks" not in "\n".join(other.source.notes)


def test_a_regularizer_in_the_file_wins() -> None:
    assert foreign("dropout_srresnet", "regularizer=none").regularizer is None
    assert foreign("dropout_srresnet", "regularizer=~").regularizer is None
    changed = foreign("dropout_srresnet", "regularizer.weight=0.7").regularizer
    assert changed is not None
    assert changed.options == {"type": "AdaptiveDropout", "p": 0.5, "weight": 0.7}
    assert changed.schedule is not None


def test_a_test_has_no_dropout() -> None:
    name = "network_g.type=MSRResNet_details_dropoutlast_channel07"
    assert foreign("test_wang_srresnet", name).regularizer is None
    assert "in training only" in report("test_wang_srresnet", name)


def test_the_degradation_has_the_file_s_numbers() -> None:
    mapping, _ = parse((FOLDER / "realesrnet_x4plus.yml").read_text(encoding="utf-8"))
    changed = {"noise_range": [2, 9], "gt_usm": False, "second_blur_prob": 0.25}
    within = {"kernel_prob2": [1, 0, 0, 0, 0, 0], "final_sinc_prob": 0.5, "betag_range": [0.9, 3]}
    overrides = [f"{key}={value}" for key, value in changed.items()]
    overrides += [f"datasets.train.{key}={value}" for key, value in within.items()]
    options = foreign("realesrnet_x4plus", *overrides)
    assert options.degradation is not None
    assert options.degradation.type == "RealESRGAN"
    got = options.degradation.arguments
    for key, value in {**mapping, **mapping["datasets"]["train"], **changed, **within}.items():
        if key in got:
            assert (list(got[key]) if isinstance(value, list) else got[key]) == value, key
    assert len(got) == 31  # all but jpeg_method and frame, which BasicSR has no keys for
    assert options.datasets.train is not None
    assert options.datasets.train.options == {
        "type": "ImageFolder",
        "dataroot_gt": "data/train_gt",
        "meta_info": "data/meta_info.txt",
        "gt_size": 256,
        "use_hflip": True,
        "use_rot": False,
    }


def test_the_crop_has_the_top_level_size_unless_a_person_says_otherwise() -> None:
    def size(*overrides: str) -> Any:
        train = foreign("realesrnet_x4plus", *overrides).datasets.train
        assert train is not None
        return train.arguments["gt_size"]

    assert size() == 256
    assert size("gt_size=64") == 64
    assert size("datasets.train.gt_size=64") == 64


def test_both_kinds_of_keys_can_be_set() -> None:
    options = foreign(
        "realesrnet_x4plus", "noise_range=[1, 5]", "degradation.jpeg_range=[50, 60]", "scale=2"
    )
    assert options.degradation is not None
    assert options.degradation.arguments["noise_range"] == (1, 5)
    assert options.degradation.arguments["jpeg_range"] == (50, 60)
    assert options.network_g.arguments["upscale"] == 2
    other = foreign("realesrnet_x4plus", "degradation={type: RealESRGANFirstOrder}")
    assert other.degradation is not None
    assert other.degradation.options == {"type": "RealESRGANFirstOrder"}
    assert "the file's own degradation is taken" in "\n".join(other.source.notes)


def test_kernels_have_the_size_that_they_have_there() -> None:
    """The option is in every file and BasicSR never reads it."""
    options = foreign("realesrnet_x4plus", "datasets.train.blur_kernel_size=13")
    assert options.degradation is not None
    assert "blur_kernel_size" not in options.degradation.arguments
    assert "datasets.train.blur_kernel_size (never read there" in "\n".join(options.source.notes)


def test_feature_alignment_needs_the_weight_and_the_name() -> None:
    options = foreign("wang_srresnet_reg")
    assert options.train.align_opt is not None
    assert options.train.align_opt.options == {"type": "FeatureAlignment", "loss_weight": 1.0}
    assert options.datasets.train is not None
    assert options.datasets.train.batch_size_per_gpu == 8
    quoted = foreign("wang_srresnet_reg", "weight='2e0'").train.align_opt
    assert quoted is not None
    assert quoted.arguments["loss_weight"] == 2.0
    plain = foreign("wang_srresnet")
    assert plain.train.align_opt is None
    assert 'weight (without "reg" in the name it has no effect there either)' in "\n".join(
        plain.source.notes
    )
    assert foreign("basicsr_msrresnet_x4", "name=regular").train.align_opt is None
    own = foreign("wang_srresnet_reg", "train.align_opt={type: FeatureAlignment, fourier: false}")
    assert own.train.align_opt is not None
    assert own.train.align_opt.arguments == {"fourier": False}


def test_what_is_left_out_means_what_it_means_there(load: Load) -> None:
    text = """
name: x
model_type: SRModel
scale: 4
network_g: {type: RRDBNet, num_in_ch: 3, num_out_ch: 3}
datasets:
  train:
    {type: PairedImageDataset, dataroot_gt: a, dataroot_lq: b, gt_size: 128, use_hflip: true,
     use_rot: false, io_backend: {type: disk}}
train:
  total_iter: 20000
  optim_g: {type: Adam, lr: 1e-4}
  perceptual_opt: {type: PerceptualLoss, layer_weights: {conv5_4: 1}}
logger: {print_freq: 100, save_checkpoint_freq: 5e3}
path: {pretrain_network_g: w.pth}
"""
    options = load(text)
    train = options.train
    assert (train.ema_decay, train.pixel_opt) == (0, None)
    assert train.optim_g.arguments["betas"] == (0.9, 0.999)
    assert not options.logger.use_tb_logger
    assert options.logger.keep_checkpoints >= 4  # all that there will be
    assert options.path.param_key_g == "params"
    assert options.network_g.arguments["upscale"] == 4
    assert options.datasets.train is not None
    assert options.datasets.train.arguments["recursive"] is False
    notes = "\n".join(options.source.notes)
    assert "train.ema_decay 0" in notes
    assert "train.optim_g.betas [0.9, 0.999]" in notes
    assert "manual_seed is left out: drawn at random there, 0 here." in notes


def test_datasets_have_their_names() -> None:
    assert list(foreign("basicsr_msrresnet_x4").validation_datasets) == ["val_Set5", "val_Set14"]
    assert list(foreign("test_basicsr_msrresnet_x4").test_datasets) == [
        "test_Set5",
        "test_DIV2K100",
    ]
    same = foreign("basicsr_msrresnet_x4", "datasets.val_2.name=Set5")
    assert list(same.validation_datasets) == ["val", "val_2"]
    by_name = foreign("basicsr_msrresnet_x4", "datasets.val_Set5.dataroot_gt=elsewhere")
    assert by_name.validation_datasets["val_Set5"].arguments["dataroot_gt"] == "elsewhere"
    assert len(by_name.validation_datasets) == 2
    odd = foreign("basicsr_msrresnet_x4", "datasets.val.name=a/b")
    assert list(odd.validation_datasets) == ["val", "val_Set14"]


def test_without_val_nothing_is_validated() -> None:
    options = foreign("basicsr_msrresnet_x4", "val=~")
    assert options.val is None
    assert not options.datasets.scored
    assert "without val: nothing is validated" in "\n".join(options.source.notes)
    without = foreign("realesrnet_x4plus", "val.val_freq=10")
    assert without.val is None


def test_images_without_a_metric_are_scored_by_psnr() -> None:
    options = foreign("basicsr_msrresnet_x4", "val.metrics=~")
    assert options.val is not None
    assert list(options.val.metrics) == ["psnr"]


def test_processes_and_warm_up_are_told() -> None:
    told = report("realesrnet_x4plus", "train.warmup_iter=100")
    assert "num_gpu: 4 (48 images a step in all)" in told
    assert "torchrun --nproc_per_node 4" in told
    assert "stays at 99/100 of the learning rate" in told


def test_old_names_are_known() -> None:
    options = foreign("basicsr_old_names")
    assert options.manual_seed == 10
    assert options.train.total_iter == 1000000
    assert options.path.pretrain_network_g == Path("data/net_g.pth")
    assert options.path.strict_load_g is False
    assert options.datasets.train is not None
    assert options.datasets.train.arguments["use_hflip"] is True
    assert options.datasets.train.batch_size_per_gpu == 12
    assert options.datasets.train.num_worker_per_gpu == 6
    (line,) = faults("basicsr_old_names", "num_gpu=2")  # there it counted all GPUs' images
    assert "Write batch_size_per_gpu" in line


def test_weights_are_taken_from_where_they_are_taken_there() -> None:
    weights = "path.pretrain_network_g="
    assert foreign("basicsr_msrresnet_x4", f"{weights}w.pth").path.param_key_g == "params"
    assert foreign("realesrnet_x4plus").path.param_key_g is None  # EMA weights, else the plain ones
    assert foreign("test_basicsr_msrresnet_x4", f"{weights}w.safetensors").path.param_key_g is None


def test_the_report_begins_with_the_kind_of_file() -> None:
    for name, kind in (
        ("basicsr_rrdbnet_psnr_x4", "a BasicSR file (model_type SRModel)"),
        ("realesrnet_x2plus", "a Real-ESRGAN file (model_type RealESRNetModel)"),
        ("wang_srresnet", "a file of the dropout papers' code (model_type RealESRNetModel)"),
    ):
        assert report(name).startswith(f"{FOLDER / name}.yml: {kind}, taken as:")


def test_the_report_of_many_datasets_is_short() -> None:
    pairs = "type: PairedImageDataset, dataroot_gt: a, dataroot_lq: b"
    datasets = [f"datasets.test_{i}={{name: n{i}, {pairs}}}" for i in range(48)]
    assert len(report("test_wang_srresnet", *datasets).splitlines()) < 10


def test_a_discriminator_that_nobody_uses_is_left_out() -> None:
    options = foreign("basicsr_msrresnet_x4", "network_d={type: VGGStyleDiscriminator}")
    assert "network_d (there is no discriminator)" in "\n".join(options.source.notes)
    foreign("test_basicsr_msrresnet_x4", "model_type=ESRGANModel")


@pytest.mark.parametrize(
    ("name", "override", "start", "words"),
    [
        (
            "basicsr_msrresnet_x4",
            "datasets.train.io_backend.type=lmdb",
            "--set datasets.train.io_backend.type=lmdb: datasets.train.io_backend.type:",
            "folder of images",
        ),
        ("basicsr_msrresnet_x4", "model_type=EDVRModel", "--set", "EDVRModel is for videos"),
        ("basicsr_msrresnet_x4", "model_type=StyleGAN2Model", "--set", "generators of images"),
        ("basicsr_msrresnet_x4", "model_type=MyModel", "--set", "how MyModel trains is not known"),
        (
            "basicsr_msrresnet_x4",
            "datasets.val_2.type=REDSDataset",
            "--set datasets.val_2.type=REDSDataset: datasets.val_2.type:",
            "holds videos",
        ),
        ("basicsr_msrresnet_x4", "datasets.train.type=FFHQDataset", "--set", "generators of faces"),
        ("basicsr_msrresnet_x4", "datasets.val.type=SingleImageDataset", "--set", "adasr infer -i"),
        ("basicsr_msrresnet_x4", "datasets.train.color=y", "--set", "test_y_channel: true"),
        ("basicsr_msrresnet_x4", "datasets.train.mean=[0.5, 0.5, 0.5]", "--set", "[0, 1]"),
        ("basicsr_msrresnet_x4", "val.suffix=x", "--set val.suffix=x: val.suffix:", "keep the"),
        ("basicsr_msrresnet_x4", "val.metrics.psnr.better=lower", "--set", "better when higher"),
        (
            "realesrnet_x4plus",
            "model_type=SRModel",
            "--set model_type=SRModel: model_type:",
            "Use RealESRNetModel",
        ),
        ("basicsr_edsr_m_x4", "train.scheduler.restarts=[0, 5]", "--set", "does not restart"),
        ("basicsr_swinir_x4", "network_g.drop_path_rate=0.1", "--set", "stochastic depth"),
        ("realesrnet_x4plus", "high_order_degradation=false", "--set", "LQ images are needed"),
        (
            "wang_srresnet",
            "datasets.train={type: PairedImageDataset, dataroot_gt: a, dataroot_lq: b, gt_size: 8}",
            "wang_srresnet.yml:3: model_type:",
            "high_order_degradation: false",
        ),
        (
            "basicsr_msrresnet_x4",
            "datasets.val={type: RealESRGANPairedDataset, dataroot_gt: a, dataroot_lq: b, "
            "meta_info: m}",
            "--set",
            "pairs are found by name",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    name: str, override: str, start: str, words: str
) -> None:
    (line,) = faults(name, override)
    assert line.startswith(start)
    assert words in line


def test_pairs_can_be_trained_on_without_the_degradation() -> None:
    dataset = "{type: PairedImageDataset, dataroot_gt: a, dataroot_lq: b, gt_size: 128}"
    options = foreign("wang_srresnet", f"datasets.train={dataset}", "high_order_degradation=false")
    assert options.degradation is None
    assert options.datasets.train is not None
    assert options.datasets.train.arguments["gt_size"] == 128
    assert "noise_range" in "\n".join(options.source.notes)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("noise_range: [1, 30]", "noise_range: [1, x]", "noise_range.1: expected"),
        ("gt_size: 256", "gt_size: 255", "gt_size: 255 is no multiple of the scale 2."),
        ("  scale: 2", "  scale: 4", "network_g.scale: is 4, but scale is 2."),
        ("sinc_prob2: 0.1", "sinc_prob2: x", "datasets.train.sinc_prob2: expected float, got 'x'."),
        ("kernel_list: ['iso'", "kernel_list: [3", "datasets.train.kernel_list.0: expected"),
        ("num_feat: 64", "num_fet: 64", "network_g.num_fet: arch 'RRDBNet' has no option"),
    ],
)
def test_later_faults_name_the_key_of_the_file_and_its_line(
    load: Load, old: str, new: str, message: str
) -> None:
    before, found, after = (FOLDER / "realesrnet_x2plus.yml").read_text("utf-8").partition(old)
    assert found
    with pytest.raises(OptionsFileError) as caught:
        load(before + new + after)
    line = before.count("\n") + 1
    assert str(caught.value).startswith(f"o.yml:{line}: {message}")


def test_a_refused_key_and_a_wrong_one_are_told_together() -> None:
    lines = faults("basicsr_msrresnet_x4", "val.suffix=x", "network_g.num_feat=many")
    assert "network_g.num_feat: expected int, got 'many'." in lines[0]
    assert "val.suffix: saved images keep the names" in lines[1]


def test_a_fault_when_a_part_is_built_names_the_key_of_the_file() -> None:
    from adasr.errors import OptionError

    options = foreign("realesrnet_x4plus", "noise_range=[5, 1]")
    with pytest.raises(OptionsFileError) as caught, options.at("degradation"):
        raise OptionError("is wrong.", ("noise_range",))
    assert str(caught.value) == "--set noise_range=[5, 1]: noise_range: is wrong."


def test_a_missing_folder_is_named_where_the_file_names_it(load: Load) -> None:
    options = load((FOLDER / "basicsr_msrresnet_x4.yml").read_text(encoding="utf-8"))
    with pytest.raises(OptionsFileError) as caught:
        check_paths(options)
    told = str(caught.value)
    assert "o.yml:14: datasets.train.meta_info_file: there is no file" in told
    assert "o.yml:40: datasets.val_2.dataroot_lq: there is no folder 'data/set14_x4'" in told
    override = "datasets.val_Set14.dataroot_lq=elsewhere"
    with pytest.raises(OptionsFileError) as caught:
        check_paths(load(Path("o.yml").read_text(encoding="utf-8"), override))
    assert f"--set {override}: datasets.val_Set14.dataroot_lq: there is no" in str(caught.value)


def test_basicsrs_swinir_has_basicsrs_defaults() -> None:
    """The same options mean the same network, also those that are left out."""
    from basicsr.archs.swinir_arch import SwinIR

    from adasr.weights import build_network

    # Only sizes that the window divides can be built.
    network = "network_g={type: SwinIR, upscale: 1, img_size: 56}"
    ours = build_network(foreign("basicsr_swinir_x4", network, "scale=1").network_g.options)
    theirs = SwinIR(upscale=1, img_size=56)
    shapes = {name: p.shape for name, p in theirs.named_parameters()}
    assert {name: p.shape for name, p in ours.named_parameters()} == shapes


def test_adasr_s_own_names_in_basicsr_are_ours(load: Load) -> None:
    text = """
name: x
model_type: AdaRealESRNetModel
scale: 4
manual_seed: 0
network_g: {type: AdaSRResNet, num_feat: 8, upscale: 4}
regularizer: {type: AdaptiveDropout}
degradation: {type: RealESRGAN}
datasets:
  train: {name: a, type: AdaImageFolder, dataroot_gt: a, gt_size: 96, dataset_enlarge_ratio: 10}
  val: {name: b, type: AdaDegradedFolder, dataroot_gt: b, recipe: clean}
train: {total_iter: 10, optim_g: {type: Adam, lr: 1e-4}, pixel_opt: {type: AdaCharbonnierLoss}}
val: {val_freq: 5, metrics: {a: {type: calculate_psnr, crop_border: 4}, b: {type: ada_ssim}}}
"""
    options = load(text)
    assert options.network_g.type == "SRResNet"
    assert options.datasets.train is not None
    assert options.datasets.train.type == "ImageFolder"
    assert options.validation_datasets["val_b"].type == "DegradedFolder"
    assert options.train.pixel_opt is not None
    assert options.train.pixel_opt.type == "CharbonnierLoss"
    assert options.val is not None
    assert [metric.type for metric in options.val.metrics.values()] == ["psnr", "ssim"]


def test_adasr_s_own_model_in_basicsr_reads_its_options_as_there(load: Load) -> None:
    """The crop's size at the top counts, the degradation has a default, the frame is its own."""
    text = """
name: x
model_type: AdaRealESRNetModel
scale: 4
manual_seed: ~
noise_range: [2, 3]
gt_size: 64
network_g: {type: AdaSRResNet, num_feat: 8, upscale: 4, regularizer: {type: AdaptiveDropout}}
datasets:
  train: {name: a, type: AdaImageFolder, dataroot_gt: a, gt_size: 96, frame: 400}
train: {total_iter: 10, optim_g: {type: Adam, lr: 1e-4}, pixel_opt: {type: L1Loss}}
"""
    options = load(text)
    assert options.datasets.train is not None
    assert options.datasets.train.arguments["gt_size"] == 64
    assert "frame" not in options.datasets.train.arguments
    assert options.degradation is not None
    assert options.degradation.options["noise_range"] == (2, 3)
    assert options.regularizer is not None
    assert options.regularizer.type == "AdaptiveDropout"
    assert "manual_seed is left out" in "\n".join(options.source.notes)
    real = foreign("realesrnet_x4plus", "model_type=AdaRealESRNetModel")
    assert real.degradation == foreign("realesrnet_x4plus").degradation


def test_a_regularized_network_of_basicsr_is_a_network_and_a_regularizer() -> None:
    inner = "{type: MSRResNet, num_feat: 8}"
    own = "{type: AdaptiveDropout, p: 0.4, schedule: {type: LayerwiseAnnealing}}"
    wrapped = f"network_g={{type: Regularized, arch: {inner}, regularizer: {own}}}"
    options = foreign("basicsr_msrresnet_x4", wrapped, "model_type=AdaSRModel")
    assert options.network_g.options == {"type": "SRResNet", "num_feat": 8, "upscale": 4}
    assert options.regularizer is not None
    assert options.regularizer.options == {"type": "AdaptiveDropout", "p": 0.4}
    assert options.regularizer.schedule is not None
    (line,) = faults("basicsr_msrresnet_x4", wrapped.replace("num_feat: 8", "num_feat: x"))
    assert "network_g.arch.num_feat: expected int" in line


@pytest.mark.parametrize(
    "text",
    [
        "model_type: SRModel",
        "model_type: 3\ndatasets: 3",
        "model_type: [a]\ndatasets: {val: 3, train: [], val_2: ~}\ntrain: 3\nval: x\npath: 3",
        "model_type: RealESRNetModel\ndatasets: {train: {type: 3, io_backend: 3, name: 3}}",
        "model_type: x\ndatasets: {val: {name: [1], type: PairedImageDataset}}\nval: {metrics: 3}",
        "model_type: ~\ntrain: {optim_g: 3, scheduler: x, warmup_iter: x}\nlogger: 3\nweight: {}",
        "model_type: SRModel\nnetwork_g: 3\nnum_gpu: many\nregularizer: 3\ndegradation: 3",
        "datasets: {train: {type: PairedImageDataset}}\nval: {metrics: {psnr: 3}}",
    ],
)
def test_nonsense_is_a_list_of_faults(load: Load, text: str) -> None:
    with pytest.raises(OptionsFileError) as caught:
        load(text)
    for section in ("datasets", "train", "val", "path", "logger"):
        if re.search(rf"^{section}: [3x]$", text, re.MULTILINE):
            assert f"{section}: expected a mapping of options" in str(caught.value)
