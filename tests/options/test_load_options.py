"""A file becomes typed options, or one message with everything that is wrong with it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adasr.errors import AdasrError, OptionError
from adasr.options import (
    Options,
    OptionsFileError,
    check_options,
    dump_options,
    load_options,
)
from adasr.options.yaml_text import parse

Load = Callable[..., Options]

FULL = """\
name: full
scale: 2
manual_seed: 7
network_g: {type: SRResNet, num_feat: 32}
regularizer:
  type: AdaptiveDropout
  p: 0.7
  sites: [body.*.conv1, 'conv_last:input']
  schedule: {type: LayerwiseAnnealing, interval: 2e4}
degradation: {type: RealESRGAN, jpeg_range: [40, 95]}
datasets:
  train:
    type: ImageFolder
    dataroot_gt: [a, b]
    gt_size: 64
    batch_size_per_gpu: 8
    num_worker_per_gpu: 0
  val_set5: {type: DegradedFolder, dataroot_gt: c, recipe: clean}
  test_x: {type: PairedFolder, dataroot_gt: d, dataroot_lq: e}
path: {pretrain_network_g: w.pth, strict_load_g: false, experiments_root: runs}
train:
  total_iter: 5e5
  warmup_iter: 100
  ema_decay: 0.99
  optim_g: {type: AdamW, lr: 1e-4, betas: [0.9, 0.999]}
  scheduler: {type: MultiStepLR, milestones: [250000, 400000]}
  pixel_opt: {type: L1Loss, loss_weight: 1}
  perceptual_opt: {type: LPIPSLoss}
  precision: bf16
  grad_clip: 1
  accumulate: 2
  compile: max-autotune
  channels_last: true
val:
  val_freq: 5e3
  metrics:
    psnr: {crop_border: 4}
    y: {type: calculate_ssim, test_y_channel: true}
    lpips:
  save_img: true
logger: {print_freq: 10, wandb: {project: sr, resume_id: abc}}
"""


def test_every_option_arrives_typed(load: Load) -> None:
    o = load(FULL)
    assert (o.name, o.scale, o.manual_seed) == ("full", 2, 7)
    assert o.network_g.options == {"type": "SRResNet", "num_feat": 32, "upscale": 2}
    assert o.regularizer is not None
    assert o.regularizer.options == {"type": "AdaptiveDropout", "p": 0.7}
    assert o.regularizer.sites == ("body.*.conv1", "conv_last:input")
    assert o.regularizer.schedule is not None
    assert o.regularizer.schedule.arguments == {"interval": 20000}
    assert isinstance(o.regularizer.schedule.arguments["interval"], int)
    assert o.degradation is not None
    assert o.degradation.arguments == {"jpeg_range": (40.0, 95.0)}
    train = o.datasets.train
    assert train is not None
    assert train.options == {"type": "ImageFolder", "dataroot_gt": ["a", "b"], "gt_size": 64}
    assert (train.batch_size_per_gpu, train.num_worker_per_gpu) == (8, 0)
    assert list(o.validation_datasets) == ["val_set5"]
    assert list(o.test_datasets) == ["test_x"]
    assert o.path.pretrain_network_g == Path("w.pth")
    assert (o.path.strict_load_g, o.path.experiments_root) == (False, Path("runs"))
    assert o.train.total_iter == 500000
    assert isinstance(o.train.total_iter, int)
    assert o.train.optim_g.options == {"type": "AdamW", "lr": 1e-4, "betas": (0.9, 0.999)}
    assert o.train.scheduler is not None
    assert o.train.perceptual_opt is not None
    assert (o.train.grad_clip, o.train.accumulate, o.train.compile) == (1.0, 2, "max-autotune")
    assert o.val is not None
    assert o.val.val_freq == 5000
    assert {label: m.options for label, m in o.val.metrics.items()} == {
        "psnr": {"type": "psnr", "crop_border": 4},
        "y": {"type": "ssim", "test_y_channel": True},
        "lpips": {"type": "lpips"},
    }
    assert o.logger.wandb is not None
    assert o.logger.wandb.model_dump(exclude_none=True) == {"project": "sr", "resume_id": "abc"}
    o.require_train()
    o.require_test()


def test_defaults(load: Load) -> None:
    o = load()
    assert (o.manual_seed, o.regularizer, o.val) == (0, None, None)
    assert o.train.optim_g.options == {"type": "Adam"}
    assert o.train.pixel_opt is not None
    assert o.train.pixel_opt.type == "L1Loss"
    assert (o.train.scheduler, o.train.perceptual_opt, o.train.grad_clip) == (None, None, None)
    assert (o.train.warmup_iter, o.train.ema_decay, o.train.precision) == (-1, 0.999, "auto")
    assert o.datasets.train is not None
    assert (o.datasets.train.batch_size_per_gpu, o.datasets.train.num_worker_per_gpu) == (16, 1)
    assert o.logger.model_dump() == {
        "print_freq": 100,
        "save_checkpoint_freq": 5000,
        "keep_checkpoints": 3,
        "use_tb_logger": True,
        "wandb": None,
    }


def test_options_cannot_be_changed_and_give_copies(load: Load) -> None:
    o = load(FULL)
    with pytest.raises(ValidationError, match="frozen"):
        o.train.total_iter = 3  # type: ignore[misc]
    o.network_g.options["num_feat"] = 3
    assert o.datasets.train is not None
    o.datasets.train.options["dataroot_gt"].append("c")
    assert o.network_g.arguments["num_feat"] == 32
    assert o.datasets.train.arguments["dataroot_gt"] == ["a", "b"]


def test_options_survive_pickle_and_copy(load: Load) -> None:
    o = load(FULL)
    assert pickle.loads(pickle.dumps(o)) == o == copy.deepcopy(o)
    assert o != load(FULL, "manual_seed=8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nme: x", "o.yml:8: nme: there is no option 'nme'. Did you mean 'name'?"),
        ("total_iter: 3", "there is no option 'total_iter'. It belongs under 'train'."),
        ("lr: 3", "there is no option 'lr'. It belongs under 'train.optim_g' or 'train.optim_d'."),
        ("batch_size_per_gpu: 3", "It belongs under 'datasets.train'."),
        ("manual_seed: 1.5", "o.yml:8: manual_seed: expected a whole number, got 1.5."),
        ("manual_seed: '1'", "expected a whole number, got '1'. Leave the quotes out."),
        ("manual_seed: true", "expected a whole number, got True."),
        ("manual_seed: -1", "must be at least 0, got -1."),
        ("logger: {print_freq: 0}", "o.yml:8: logger.print_freq: must be above 0, got 0."),
        ("logger: [1]", "o.yml:8: logger: expected a mapping of options, got [1]."),
        ("logger:\n  print_frq: 3", "o.yml:9: logger.print_frq: there is no option 'print_frq'."),
        ("logger: {use_tb_logger: 1}", "expected true or false, got 1."),
        ("logger: {wandb: {project: 3}}", 'expected text, got 3. Write it in quotes: "3".'),
        ("path: {resume_state: ''}", "path.resume_state: expected a path, got nothing."),
        ("path: {resume_state: 3}", "path.resume_state: expected a path, got 3."),
        ("regularizer: {p: 0.5}", "o.yml:8: regularizer: no 'type' says which regularizer."),
        ("regularizer: {type: 3}", "regularizer.type: expected a name, got 3."),
        (
            "regularizer: AdaptiveDropout",
            "expected a mapping with a 'type', got 'AdaptiveDropout'. "
            "Write {type: AdaptiveDropout}.",
        ),
        (
            "regularizer: {type: AdaptivDropout}",
            "o.yml:8: regularizer.type: unknown regularizer 'AdaptivDropout'. "
            "Did you mean 'AdaptiveDropout'?",
        ),
        ("regularizer: {type: AdaptiveDropout, sites: 3}", "regularizer.sites: expected default"),
        ("regularizer: {type: AdaptiveDropout, sites: []}", "expected default"),
        (
            "regularizer: {type: none, schedule: {type: LayerwiseAnnealing, intervl: 3}}",
            "regularizer.schedule.intervl: schedule 'LayerwiseAnnealing' has no option 'intervl'. "
            "Did you mean 'interval'?",
        ),
        ("val: {}", "o.yml:8: val.metrics: the option is missing."),
        ("val: {metrics: {}}", "val.metrics: names no metric."),
        ("val: {metrics: {psnrr: }}", "unknown metric 'psnrr'. Did you mean 'psnr'?"),
        ("val: {metrics: {psnr: {crop: 4}}}", "metric 'psnr' has no option 'crop'."),
        ("val: {metrics: [psnr]}", "expected a mapping of options, got ['psnr']."),
    ],
)
def test_a_mistake_is_told_with_line_key_and_remedy(
    load: Load, train_yaml: str, change: str, message: str
) -> None:
    with pytest.raises(OptionsFileError) as caught:
        load(f"{train_yaml}{change}\n")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("o.yml:")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{total_iter: 0}", "train.total_iter: must be above 0, got 0."),
        ("{total_iter: abc}", "train.total_iter: expected a whole number, got 'abc'."),
        ("{precision: fp61}", "'fp16', got 'fp61'. Did you mean 'fp16'?"),
        ("{ema_decay: 1}", "train.ema_decay: must be below 1, got 1."),
        ("{ema_decay: .nan}", "train.ema_decay"),
        ("{grad_clip: 0}", "train.grad_clip: must be above 0, got 0."),
        ("{grad_clip: .inf}", "train.grad_clip: must be a finite number, got inf."),
        ("{warmup_iter: -2}", "train.warmup_iter: must be at least -1, got -2."),
        ("{compile: default_}", "train.compile: expected true, false or a mode of torch.compile"),
        ("{compile: 1}", "train.compile: expected true, false or a mode of torch.compile"),
        ("{channels_last: 3}", "train.channels_last: expected true or false, got 3."),
        ("{optim_g: {type: Adam, betas: [0.9, x]}}", "train.optim_g.betas.1: expected tuple"),
        ("{optim_g: ~}", "train.optim_g: expected a mapping with a 'type', got None."),
        ("{scheduler: {type: MultiStepLR}}", "train.scheduler.milestones: the option is missing"),
        ("{pixel_opt: {type: L1Loss, reduction: max}}", "train.pixel_opt.reduction: expected"),
    ],
)
def test_training_options_are_checked(load: Load, value: str, message: str) -> None:
    text = f"name: x\nscale: 4\nnetwork_g: {{type: SRResNet}}\ntrain: {value}\n"
    with pytest.raises(OptionsFileError) as caught:
        load(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("o.yml:4: train.")


def test_all_faults_are_told_at_once_in_the_order_of_the_file(load: Load) -> None:
    with pytest.raises(OptionsFileError) as caught:
        load("""\
scale: four
network_g:
  type: SRResNet
  num_fet: 64
  num_block: 16.5
datasets:
  trian: {}
  train: {type: ImageFolder, dataroot_gt: a, gt_sise: 4, batch_size_per_gpu: 0}
train: {totl_iter: 10, precision: fp8}
""")
    keys = [".".join(map(str, fault.error.key)) for fault in caught.value.faults]
    places = [fault.place for fault in caught.value.faults]
    assert keys[:8] == [
        "name",
        "scale",
        "network_g.num_fet",
        "network_g.num_block",
        "datasets.trian",
        "datasets.train.gt_sise",
        "datasets.train.gt_size",
        "datasets.train.batch_size_per_gpu",
    ]
    assert set(keys[8:]) == {"train.totl_iter", "train.precision"}
    assert places[:5] == ["o.yml", "o.yml:1", "o.yml:4", "o.yml:5", "o.yml:7"]
    assert set(places[5:8]) == {"o.yml:8"}
    assert set(places[8:]) == {"o.yml:9"}
    assert len(str(caught.value).splitlines()) == 10


def test_none_can_be_said_in_every_way(load: Load, train_yaml: str) -> None:
    for word in ("~", "null", "none", "None", ""):
        o = load(f"{train_yaml}regularizer: {word}\npath:\nlogger: ~\nval:\n")
        assert o.regularizer is None
    train = "train: {total_iter: 3, scheduler: none, perceptual_opt: ~, pixel_opt: ~}"
    o = load(train_yaml.replace("train: {total_iter: 10}", train))
    assert (o.train.scheduler, o.train.perceptual_opt, o.train.pixel_opt) == (None, None, None)
    named = load(f"{train_yaml}regularizer: {{type: none}}\n").regularizer
    assert named is not None
    assert named.type == "none"
    off = load(f"{train_yaml}logger: {{wandb: {{project: ~, resume_id: ~}}}}\n")
    assert off.logger.wandb is None


@pytest.mark.parametrize("name", ["a/b", "a\\b", "..", "", " a", "a\nb", "a:b", "x" * 201])
def test_a_name_that_cannot_be_a_folder_is_refused(load: Load, train_yaml: str, name: str) -> None:
    with pytest.raises(OptionsFileError, match=r"o\.yml:1: name: .*folder"):
        load(train_yaml.replace("a run", '"' + name.encode("unicode_escape").decode() + '"'))


def test_a_name_that_is_a_number_must_be_quoted(load: Load, train_yaml: str) -> None:
    with pytest.raises(OptionsFileError, match='Write it in quotes: "2024"'):
        load(train_yaml.replace("a run", "2024"))
    assert load(train_yaml.replace("a run", "2024-01-01")).name == "2024-01-01"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "o.yml: the file is empty."),
        ("# only a comment\n", "o.yml: the file is empty."),
        ("- a\n- b\n", "o.yml:1: expected keys such as 'name:', got a list."),
        ("scale:4\n", "o.yml:1: expected keys such as 'name:', got 'scale:4'. A key is followed"),
        ("name: x\n\tscale: 4\n", "o.yml:2: a tab stands here."),
        ("name: x\nname: y\n", "o.yml:2: name: stands twice, first in line 1."),
        ("name: x\nscale: [4\n", "o.yml:3: is no YAML"),
        ("name: Bäume\nscale: 4\n".encode("latin-1"), "o.yml:1: is no UTF-8 text."),
        (b"\x89PNG\r\n\x1a\n\x00", "o.yml:1: is no UTF-8 text."),
    ],
)
def test_a_file_that_holds_no_options(load: Load, text: str | bytes, message: str) -> None:
    with pytest.raises(OptionsFileError) as caught:
        load(text)
    assert message in str(caught.value)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(load: Load, train_yaml: str) -> None:
    data = b"\xef\xbb\xbf" + train_yaml.replace("\n", "\r\n").encode()
    assert load(data) == load(train_yaml)


def test_a_missing_file_is_told_with_the_nearest(load: Load, tmp_path: Path) -> None:
    load()
    with pytest.raises(OptionsFileError) as caught:
        load_options(tmp_path / "oo.yml")
    assert f"{tmp_path / 'oo.yml'}: there is no such file. Did you mean 'o.yml'?" == str(
        caught.value
    )
    with pytest.raises(OptionsFileError, match="is a folder"):
        load_options(tmp_path)
    with pytest.raises(OptionsFileError, match="no such file"):
        load_options(tmp_path / "nowhere" / "o.yml")


def test_an_unreadable_file_is_told(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load()

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(OptionsFileError) as caught:
        load_options("o.yml")
    assert str(caught.value) == "o.yml: cannot be read (Permission denied)."


def test_the_error_is_an_option_error_and_keeps_its_text(load: Load) -> None:
    with pytest.raises(OptionError) as caught:
        load("name: 3\n")
    error = caught.value
    assert isinstance(error, AdasrError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(error.under("train")) == str(error)


def test_a_fault_found_when_a_part_is_built_gets_its_line(load: Load, train_yaml: str) -> None:
    o = load(f"{train_yaml}regularizer:\n  type: AdaptiveDropout\n  p: 2\n")
    from adasr.registry import REGULARIZER_REGISTRY

    assert o.regularizer is not None
    with pytest.raises(OptionsFileError) as caught, o.at("regularizer"):
        REGULARIZER_REGISTRY.build(o.regularizer.options)
    assert str(caught.value) == "o.yml:10: regularizer.p: must lie in [0, 1), got 2.0."


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy of nested mappings and lists with one place changed."""
    if not path:
        return by
    copied = copy.copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], by)
    return copied


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in nested mappings and lists."""
    if not isinstance(value, dict | list):
        return [above]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [above] + [path for key, part in inner for path in places(part, (*above, key))]


@pytest.mark.parametrize("by", [None, 3, -1.5, "x", "", True, [], [1], {}, {"type": []}, {"a": 1}])
def test_whatever_stands_somewhere_is_taken_or_told(by: Any) -> None:
    mapping = parse(FULL)[0]
    for path in places(mapping)[1:]:
        try:
            options = check_options(replaced(mapping, path, by))
        except OptionsFileError as error:
            assert all(f.error.key for f in error.faults)
        else:
            assert check_options(parse(dump_options(options))[0]) is not None


def test_options_can_be_made_from_a_mapping() -> None:
    given: dict[str, Any] = {"name": "x", "scale": 3, "network_g": {"type": "SRResNet"}}
    before = copy.deepcopy(given)
    assert check_options(given).network_g.arguments == {"upscale": 3}
    assert given == before
    with pytest.raises(OptionsFileError, match=r"^options: scal: there is no option 'scal'"):
        check_options({**given, "scal": 3})
