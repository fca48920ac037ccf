"""Files of other projects run through the commands, with small networks and few iterations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from adasr.cli import main
from adasr.options import load_options
from adasr.weights import build_network

FOLDER = Path(__file__).parent / "foreign"
TRAINED = [
    "basicsr_edsr_m_x4",
    "basicsr_msrresnet_x2",
    "basicsr_msrresnet_x4",
    "basicsr_old_names",
    "basicsr_rrdbnet_psnr_x4",
    "basicsr_swinir_x4",
    "dropout_srresnet",
    "kong_rrdbnet",
    "kong_rrdbnet_dropout",
    "kong_srresnet",
    "realesrnet_x2plus",
    "realesrnet_x4plus",
    "wang_srresnet",
    "wang_srresnet_reg",
]
SMALL = {
    "SRResNet": ["num_feat=8", "num_block=2"],
    "RRDBNet": ["num_feat=8", "num_block=1", "num_grow_ch=4"],
    "EDSR": ["num_feat=8", "num_block=1"],
    "SwinIR": ["depths=[1]", "num_heads=[2]", "embed_dim=12", "img_size=16", "window_size=4"],
}

pytestmark = pytest.mark.usefixtures("real_components", "basicsr")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every folder and file that the option files name, in the working directory."""
    from adasr.data.images import write_image

    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        gt = random.integers(0, 256, (208, 200, 3), np.uint8)
        for folder in ("train_gt", "set5_gt", "set14_gt"):
            write_image(tmp_path / "data" / folder / f"{name}.png", gt)
        for scale in (2, 4):
            lq = np.ascontiguousarray(gt[::scale, ::scale])
            for folder in ("train", "set5", "set14"):
                write_image(tmp_path / "data" / f"{folder}_x{scale}" / f"{name}.png", lq)
        write_image(tmp_path / "data" / "set5_x4_suffix" / f"{name}x4.png", lq)
    lines = [f"{name}.png (208,200,3)\n" for name in ("c", "a", "b")]
    (tmp_path / "data" / "meta_info.txt").write_text("".join(lines))
    return tmp_path


def arguments(name: str, *overrides: str) -> list[str]:
    """``-opt FILE --set ...`` for a small network; its starting weights are written."""
    path = FOLDER / f"{name}.yml"
    network = load_options(path).network_g.type
    given = [f"network_g.{option}" for option in SMALL[network]] + list(overrides)
    options = load_options(path, given)
    if options.path.pretrain_network_g is not None:
        torch.manual_seed(0)
        plain = build_network(options.network_g.options).state_dict()
        averaged = {key: value + 0.01 for key, value in plain.items()}
        torch.save({"params": plain, "params_ema": averaged}, options.path.pretrain_network_g)
    return ["-opt", str(path), *(word for item in given for word in ("--set", item))]


def training(name: str) -> list[str]:
    """A few iterations on small crops; images are whole and large enough for every metric."""
    gt_size = "gt_size=32" if "real" in name or "wang" in name else "datasets.train.gt_size=32"
    return arguments(
        name,
        gt_size,
        "name=run-reg" if name.endswith("_reg") else "name=run",
        "train.total_iter=2",
        "train.precision=fp32",
        "datasets.train.batch_size_per_gpu=2",
        "datasets.train.num_worker_per_gpu=0",
        "logger.print_freq=1",
    )


@pytest.mark.parametrize("name", TRAINED)
def test_a_file_trains(name: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *training(name)]) == 0
    told = capsys.readouterr().out
    assert ", taken as:" in told.splitlines()[0]
    (folder,) = (path for path in (data / "experiments").iterdir() if path.is_dir())
    assert (folder / "models" / "net_g_2.safetensors").is_file()
    assert ", taken as:" in (folder / "train.log").read_text()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["iteration"] for line in train] == [1, 2]
    assert any("align" in key for key in train[0]) == name.endswith("_reg")
    scored = [line for line in lines if line["kind"] == "val"]
    assert len(scored) == (0 if name.startswith("realesrnet") else 1)
    assert any("niqe" in key for line in scored for key in line) == (name == "basicsr_msrresnet_x4")
    # What the run wrote is a file of ours that trains again.
    assert load_options(folder / "options.yml").source.notes == ()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("realesrgan_x4plus", "gt_size=32"),
        ("basicsr_srgan_x4", "datasets.train.gt_size=32"),
        ("basicsr_esrgan_x4", "datasets.train.gt_size=32"),
    ],
)
def test_an_adversarial_file_trains(name: str, size: str, data: Path) -> None:
    """With VGG's weights where BasicSR looks for them."""
    from torchvision.models import vgg

    layers = vgg.make_layers(vgg.cfgs["E"][:2])
    place = data / "experiments" / "pretrained_models" / "vgg19-dcbb9e9d.pth"
    place.parent.mkdir(parents=True)
    torch.save({f"features.{k}": v for k, v in layers.state_dict().items()}, place)
    command = arguments(
        name,
        size,
        "network_d={type: UNetDiscriminatorSN, num_feat: 2}",
        "train.perceptual_opt.layer_weights={conv1_2: 1}",
        "name=run",
        "val=~",
        "train.total_iter=2",
        "train.precision=fp32",
        "datasets.train.batch_size_per_gpu=2",
        "datasets.train.num_worker_per_gpu=0",
        "logger.print_freq=1",
        "logger.use_tb_logger=false",
    )
    assert main(["train", *command]) == 0
    assert (data / "experiments" / "run" / "models" / "net_g_2.safetensors").is_file()


def test_check_reads_a_file_of_basicsr(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *training("basicsr_msrresnet_x2")]) == 0
    told = capsys.readouterr().out
    assert "network_g.type: MSRResNet -> SRResNet" in told
    assert "ready to train" in told


@pytest.mark.parametrize("name", ["test_basicsr_msrresnet_x4", "test_wang_srresnet"])
def test_a_test_file_scores(name: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", *arguments(name, "name=run")]) == 0
    told = capsys.readouterr().out
    datasets = list(load_options(FOLDER / f"{name}.yml").test_datasets)
    results = data / "results" / "run"
    scores = json.loads((results / "scores.json").read_text())
    for dataset in datasets:
        assert dataset in told
        assert (results / "visualization" / dataset / "a.png").is_file()
    assert len(scores) >= len(datasets)


def test_a_test_scores_the_weights_that_basicsr_scores(data: Path) -> None:
    """The file asks for ``params`` where the weights hold a moving average too."""
    command = ["test", *arguments("test_basicsr_msrresnet_x4", "name=run")]

    def mean() -> float:
        assert main(command) == 0
        found = json.loads((data / "results" / "run" / "scores.json").read_text())
        score = next(e for e in found if e["model"] == "run")["scores"][0]
        return score["values"]["psnr"]

    asked = mean()
    command += ["--set", "path.param_key_g=params_ema"]
    averaged = mean()
    weights = torch.load(data / "data" / "net_g.pth", weights_only=True)
    torch.save({"params": weights["params"]}, data / "data" / "net_g.pth")
    assert mean() == asked != averaged


def test_one_process_of_several_tells(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from adasr.cli.app import read_options

    monkeypatch.setenv("RANK", "1")
    read_options(FOLDER / "basicsr_msrresnet_x4.yml", [])
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("RANK", "0")
    read_options(FOLDER / "basicsr_msrresnet_x4.yml", [])
    assert "taken as:" in capsys.readouterr().out


def test_a_refused_file_ends_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "-opt", str(FOLDER / "basicsr_esrgan_x4.yml")]
    assert main([*command, "--set", "model_type=EDVRModel"]) == 2
    told = capsys.readouterr().err
    assert "EDVRModel is for videos" in told
    assert "Traceback" not in told
