from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from adasr.errors import DatasetError, OptionError, TrainingError
from adasr.options import Options, load_options
from adasr.registry import LOSS_REGISTRY
from adasr.training import run
from adasr.training.checkpoint import load_state, save_state
from adasr.training.log import read_metrics
from adasr.training.run import run_training
from adasr.weights import load_network

MakeOptions = Callable[..., Options]


def folder_of(options: Options) -> Path:
    return Path(options.path.experiments_root) / options.name


def assert_same(a: object, b: object, place: str = "") -> None:
    """Equal to the last bit, through dicts, lists and tensors."""
    if isinstance(a, torch.Tensor):
        assert isinstance(b, torch.Tensor)
        assert torch.equal(a, b), place
    elif isinstance(a, dict):
        assert isinstance(b, dict)
        assert a.keys() == b.keys(), place
        for key in a:
            assert_same(a[key], b[key], f"{place}/{key}")
    elif isinstance(a, list | tuple):
        assert isinstance(b, list | tuple)
        assert len(a) == len(b), place
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{place}/{index}")
    else:
        assert a == b, place


def test_a_run_leaves_weights_states_and_metrics(options: MakeOptions) -> None:
    result = run_training(options())
    folder = folder_of(options())
    assert result.iteration == 8
    assert result.stopped_by is None
    assert set(result.scores) == {"val/psnr", "val/ssim"}
    names = {p.name for p in (folder / "models").iterdir()}
    assert names == {f"net_g_{x}.safetensors" for x in ("4", "8", "best")}
    assert {p.name for p in (folder / "training_states").iterdir()} == {"4.state", "8.state"}
    assert "iteration 8" in (folder / "train.log").read_text()
    records = read_metrics(folder)
    assert [r["iteration"] for r in records if r["kind"] == "train"] == [2, 4, 6, 8]
    assert [r["iteration"] for r in records if r["kind"] == "val"] == [4, 8]
    # Three sites, one annealed every third iteration.
    weights = {r["iteration"]: list(r["weights"].values()) for r in records if r["kind"] == "train"}
    assert weights[2] == [0.3, 0.3, 0.3]
    assert weights[4] == [1.0, 0.3, 0.3]
    assert weights[8] == [1.0, 1.0, 0.3]


def test_weights_carry_no_trace_of_the_regularizer_and_say_what_they_are(
    options: MakeOptions,
) -> None:
    changes = {"type": "AdaptiveDropout", "gate": "vector", "schedule": None}
    run_training(options(regularizer=changes))
    path = folder_of(options()) / "models" / "net_g_8.safetensors"
    with safe_open(path, "pt") as file:
        assert not any("adasr" in key for key in file.keys())  # noqa: SIM118
        metadata = file.metadata()
    assert json.loads(metadata["arch"])["type"] == "SRResNet"
    assert metadata["scale"] == "2"
    assert metadata["iteration"] == "8"
    assert "AdaptiveDropout" in metadata["options"]
    assert load_network(path)(torch.zeros(1, 3, 4, 4)).shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"regularizer": {"type": "AdaptiveDropout", "gate": "scalar", "schedule": None}},
        {"train": {"accumulate": 2, "grad_clip": 0.5}},
        {"datasets_workers": 2},
        pytest.param({"train": {"precision": "bf16"}}, id="bf16"),
    ],
)
def test_a_resumed_run_ends_with_the_same_bits(options: MakeOptions, changes: dict) -> None:
    workers = changes.pop("datasets_workers", 0)
    made = options(**changes)
    if workers:
        loaded = made.datasets.train.model_copy(update={"num_worker_per_gpu": workers})
        made = made.model_copy(
            update={"datasets": made.datasets.model_copy(update={"train": loaded})}
        )
    folder = folder_of(made)
    run_training(made)
    whole = load_state(folder / "training_states" / "8.state")
    weights = (folder / "models" / "net_g_8.safetensors").read_bytes()
    records = read_metrics(folder)

    (folder / "training_states" / "8.state").unlink()
    (folder / "models" / "net_g_8.safetensors").unlink()
    torch.manual_seed(999)  # whatever ran in between must not matter
    run_training(made, auto_resume=True)
    assert_same(load_state(folder / "training_states" / "8.state"), whole)
    assert (folder / "models" / "net_g_8.safetensors").read_bytes() == weights
    again = read_metrics(folder)
    timeless = [
        {k: v for k, v in r.items() if k in ("iteration", "kind", "l_pix", "val/psnr", "weights")}
        for r in records
    ]
    assert [{k: r[k] for k in t} for r, t in zip(again, timeless, strict=True)] == timeless


def test_validation_does_not_change_the_training(options: MakeOptions) -> None:
    run_training(options())
    with_validation = load_state(folder_of(options()) / "training_states" / "8.state")
    changed = options(name="other", val={"val_freq": 3})
    run_training(changed)
    other = load_state(folder_of(changed) / "training_states" / "8.state")
    assert_same(other["network"], with_validation["network"])
    assert_same(other["optimizer"], with_validation["optimizer"])


def test_auto_resume_passes_over_a_damaged_state(
    options: MakeOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    run_training(options())
    folder = folder_of(options()) / "training_states"
    whole = load_state(folder / "8.state")
    data = (folder / "8.state").read_bytes()
    (folder / "8.state").write_bytes(data[: len(data) // 2])
    run_training(options(), auto_resume=True)
    assert "8.state" in capsys.readouterr().out
    assert_same(load_state(folder / "8.state")["network"], whole["network"])


def test_auto_resume_with_only_damaged_states_loses_nothing(options: MakeOptions) -> None:
    run_training(options())
    folder = folder_of(options()) / "training_states"
    for path in folder.iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="none of its training states can be read"):
        run_training(options(), auto_resume=True)
    assert (folder / "8.state").read_bytes() == b"damaged"


def test_auto_resume_without_states_starts_anew(options: MakeOptions) -> None:
    assert run_training(options(), auto_resume=True).iteration == 8


def test_an_older_experiment_is_renamed_not_overwritten(options: MakeOptions) -> None:
    run_training(options())
    root = Path(options().path.experiments_root)
    before = (root / "run" / "models" / "net_g_8.safetensors").read_bytes()
    run_training(options())
    (archived,) = root.glob("run_archived_*")
    assert (archived / "models" / "net_g_8.safetensors").read_bytes() == before


def test_a_refused_start_leaves_the_older_experiment_its_name(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_training(options())
    root = Path(options().path.experiments_root)

    def refused(*_: object) -> None:
        raise OptionError("is wrong.", ("train", "losses"))

    monkeypatch.setattr("adasr.training.run.make_losses", refused)
    with pytest.raises(OptionError, match="is wrong"):
        run_training(options())
    assert not list(root.glob("run_archived_*"))
    monkeypatch.undo()
    assert run_training(options(), auto_resume=True).iteration == 8
    assert (root / "run" / "training_states" / "8.state").is_file()


def test_resuming_with_other_options_says_what_differs(
    recipe: Callable[..., Path], options: MakeOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    run_training(options())
    longer = load_options(recipe(), ["train.total_iter=10"])
    assert run_training(longer, auto_resume=True).iteration == 10
    assert "+  total_iter: 10" in capsys.readouterr().out
    other = load_options(recipe(), ["network_g.num_feat=16"])
    with pytest.raises(TrainingError, match="does not fit these options"):
        run_training(other, auto_resume=True)


def test_last_k_and_the_best_are_kept(options: MakeOptions) -> None:
    made = options(logger={"save_checkpoint_freq": 1, "keep_checkpoints": 2, "use_tb_logger": True})
    result = run_training(made)
    models = {p.name for p in (folder_of(made) / "models").iterdir()}
    assert models == {f"net_g_{x}.safetensors" for x in ("7", "8", "best")}
    assert result.best_iteration in (4, 8)
    assert any((folder_of(made) / "tb").iterdir())


def test_going_back_sets_the_later_files_aside(options: MakeOptions) -> None:
    logger = {"save_checkpoint_freq": 2, "keep_checkpoints": 3}
    run_training(options(logger=logger))
    folder = folder_of(options())
    start = str(folder / "training_states" / "4.state")
    root = str(folder.parent)
    back = {"experiments_root": root, "resume_state": start}
    changed = options(logger=logger, path=back, train={"total_iter": 5})
    assert run_training(changed).iteration == 5
    states = {p.name for p in (folder / "training_states").iterdir()}
    assert states == {"4.state", "5.state", "6.state.superseded", "8.state.superseded"}
    # The newest state wins over the one to start from, or a requeued job would never end.
    assert run_training(changed, auto_resume=True).iteration == 5
    longer = options(logger=logger, path=back, train={"total_iter": 7})
    assert run_training(longer, auto_resume=True).iteration == 7
    assert "resumed after iteration 5" in (folder / "train.log").read_text()


def test_fp16_goes_on_after_a_loss_that_is_not_finite(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU accelerate makes a scaler; here it is given one for the CPU."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)

    class Scaling(run.Accelerator):
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            self.scaler = scaler

        def unscale_gradients(self, optimizer: object = None) -> None:
            scaler.unscale_(self._optimizers[0].optimizer)

    monkeypatch.setattr(run, "Accelerator", Scaling)
    monkeypatch.setattr(run, "make_losses", lambda _: {"l_pix": Exploding(range(2, 5))})
    result = run_training(options())
    assert result.iteration == 8
    assert scaler.get_scale() < 2.0**10


@pytest.mark.parametrize("workers", [0, 1])
def test_only_unreadable_files_are_one_message(
    options: MakeOptions, tmp_path: Path, workers: int
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "a.png").write_bytes(b"x")
    made = options(
        datasets={
            "train": {
                "type": "ImageFolder",
                "dataroot_gt": str(bad),
                "gt_size": 32,
                "batch_size_per_gpu": 2,
                "num_worker_per_gpu": workers,
            }
        }
    )
    with pytest.raises(DatasetError) as caught:
        run_training(made)
    assert "Traceback" not in str(caught.value)


def test_wandb_gets_the_run_to_go_on_with(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util
    import sys
    from types import SimpleNamespace

    seen: dict = {}

    class Run:
        def log(self, values: dict, step: int) -> None:
            seen.setdefault("steps", []).append(step)

        def finish(self) -> None:
            seen["finished"] = True

    def init(*, project: str, id: str | None, resume: str, name: str, dir: str) -> Run:
        seen.update(project=project, id=id, resume=resume, name=name)
        return Run()

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Image=list))
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if name == "wandb" else find(name)
    )
    run_training(options(logger={"wandb": {"project": "sr", "resume_id": "abc"}}))
    assert (seen["project"], seen["id"], seen["resume"]) == ("sr", "abc", "allow")
    assert seen["finished"]
    assert 8 in seen["steps"]


def test_a_loss_of_another_signature_is_refused(options: MakeOptions, basicsr: object) -> None:
    loss = {"type": "MultiScaleGANLoss", "gan_type": "vanilla"}
    with pytest.raises(OptionError, match="MultiScaleGANLoss cannot compare SR with GT"):
        run_training(options(train={"pixel_opt": loss}))


def test_pretrained_weights_are_the_start(options: MakeOptions) -> None:
    run_training(options())
    weights = folder_of(options()) / "models" / "net_g_8.safetensors"
    made = options(
        name="second",
        path={
            "experiments_root": str(folder_of(options()).parent),
            "pretrain_network_g": str(weights),
        },
        train={"total_iter": 1, "optim_g": {"type": "Adam", "lr": 1e-12}, "ema_decay": 0.0},
    )
    run_training(made)
    start, end = (
        load_network(path).state_dict()
        for path in (weights, folder_of(made) / "models" / "net_g_1.safetensors")
    )
    for key in start:
        torch.testing.assert_close(end[key], start[key], atol=1e-6, rtol=0)


class Exploding(nn.Module):
    """L1, but NaN in the calls named in ``bad``."""

    def __init__(self, bad: range) -> None:
        super().__init__()
        self.bad, self.calls = bad, 0

    def forward(self, sr: torch.Tensor, gt: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        loss = (sr - gt).abs().mean()
        return loss * float("nan") if self.calls in self.bad else loss


def test_a_step_that_is_not_finite_is_left_out_and_named(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "make_losses", lambda _: {"l_pix": Exploding(range(2, 4))})
    result = run_training(options())
    assert result.iteration == 8
    told = capsys.readouterr().out
    assert told.count("is not finite") == 2
    assert "img" in told
    state = load_state(folder_of(options()) / "training_states" / "8.state")
    assert all(value.isfinite().all() for value in state["network"].values())
    assert all(value.isfinite().all() for value in state["ema"].values())


def test_ten_bad_steps_in_a_row_stop_with_the_last_good_checkpoint_kept(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "make_losses", lambda _: {"l_pix": Exploding(range(6, 99))})
    made = options(train={"total_iter": 50})
    with pytest.raises(TrainingError, match="10 iterations in a row"):
        run_training(made)
    states = [p.name for p in (folder_of(made) / "training_states").iterdir()]
    assert "4.state" in states
    state = load_state(folder_of(made) / "training_states" / "4.state")
    assert all(value.isfinite().all() for value in state["network"].values())


def test_an_unreadable_file_is_named_counted_and_skipped(
    options: MakeOptions, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(images, mixed)
    (mixed / "broken.png").write_bytes((images / "img0.png").read_bytes()[:200])
    made = options(
        datasets={
            "train": {
                "type": "ImageFolder",
                "dataroot_gt": str(mixed),
                "gt_size": 32,
                "batch_size_per_gpu": 6,
                "num_worker_per_gpu": 0,
            }
        }
    )
    result = run_training(made)
    assert [Path(p).name for p in result.skipped_files] == ["broken.png"]
    told = capsys.readouterr().out
    assert told.count("broken.png") == 1
    assert "1 files could not be read" in told


def test_two_runs_do_not_share_a_folder(options: MakeOptions) -> None:
    from filelock import FileLock

    root = Path(options().path.experiments_root)
    root.mkdir()
    with FileLock(root / ".run.lock"), pytest.raises(TrainingError, match="another training"):
        run_training(options())


def test_paired_folders_train_without_a_degradation(
    options: MakeOptions, images: Path, tmp_path: Path
) -> None:
    from adasr.cli import main

    assert (
        main(["degrade", "-i", str(images), "-o", str(tmp_path / "lr"), "-r", "clean", "-s", "2"])
        == 0
    )
    made = options(
        degradation=None,
        datasets={
            "train": {
                "type": "PairedFolder",
                "dataroot_gt": str(images),
                "dataroot_lq": str(tmp_path / "lr" / "clean"),
                "gt_size": 32,
                "batch_size_per_gpu": 2,
            }
        },
    )
    assert run_training(made).iteration == 8


def test_a_value_out_of_range_is_told_with_its_line(recipe: Callable[..., Path]) -> None:
    path = recipe(regularizer={"p": 2.0})
    with pytest.raises(OptionError) as caught:
        run_training(load_options(path))
    line = 1 + path.read_text().splitlines().index("  p: 2.0")
    assert str(caught.value).startswith(f"{path}:{line}: regularizer.p: ")


def test_network_of_another_width_is_not_resumed(options: MakeOptions) -> None:
    save_state(
        Path(options().path.experiments_root) / "run" / "training_states" / "1.state",
        {"iteration": 1, "metadata": {}},
    )
    with pytest.raises(TrainingError, match="does not fit"):
        run_training(options(), auto_resume=True)


def test_a_loss_whose_weights_cannot_be_had_is_named(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline() -> None:
        raise OSError("<urlopen error: no route to host>")

    monkeypatch.setitem(LOSS_REGISTRY._components, "Offline", offline)
    wanted = options(train={"perceptual_opt": {"type": "Offline"}})
    with pytest.raises(OptionError, match=r"train\.perceptual_opt: Offline needs a file that"):
        run_training(wanted, quiet=True)


def test_weights_and_states_that_are_not_finite_are_named(
    recipe: Callable[..., Path], options: MakeOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import load_file, save_file

    from adasr.cli import main

    run_training(options(), quiet=True)
    weights = folder_of(options()) / "models" / "net_g_8.safetensors"
    state = folder_of(options()) / "training_states" / "8.state"
    held = load_file(weights)
    held["conv_last.weight"][0, 0, 0, 0] = float("nan")
    save_file(held, weights)
    whole = load_state(state)
    whole["ema"]["conv_last.weight"][0, 0, 0, 0] = float("inf")
    torch.save(whole, state)
    for start, key in ((weights, "pretrain_network_g"), (state, "resume_state")):
        path = str(recipe(name="second"))
        assert main(["train", "-opt", path, "--set", f"path.{key}={start}"]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"error: {start}: has numbers that are not finite")
        assert "conv_last.weight" in told


def test_resuming_with_other_versions_says_so(
    options: MakeOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    run_training(options(train={"total_iter": 4}))
    path = folder_of(options()) / "training_states" / "4.state"
    state = load_state(path)
    torch.save({**state, "versions": {**state["versions"], "torch": "1.13.0"}}, path)
    run_training(options(), auto_resume=True)
    assert "saved by torch 1.13.0, this is" in capsys.readouterr().out


def test_weights_in_the_folder_that_would_be_renamed_are_refused(options: MakeOptions) -> None:
    run_training(options(train={"total_iter": 2}))
    weights = folder_of(options()) / "models" / "net_g_2.safetensors"
    root = str(folder_of(options()).parent)
    start = {"experiments_root": root, "pretrain_network_g": str(weights)}
    with pytest.raises(OptionError, match="Give the run another name"):
        run_training(options(path=start))
    assert weights.exists()


def test_checkpointed_activations_train_the_same_weights(options: MakeOptions) -> None:
    run_training(options())
    plain = load_network(folder_of(options()) / "models" / "net_g_8.safetensors").state_dict()
    run_training(options(name="saving", train={"checkpoint_activations": True}))
    folder = folder_of(options(name="saving"))
    saving = load_network(folder / "models" / "net_g_8.safetensors").state_dict()
    for name, value in plain.items():
        torch.testing.assert_close(saving[name], value, rtol=1e-5, atol=1e-7)


def test_a_resume_that_is_refused_changes_nothing(options: MakeOptions) -> None:
    run_training(options())
    folder = folder_of(options())
    state = folder / "training_states" / "4.state"

    def content() -> dict[str, bytes]:
        kept = [p for p in folder.rglob("*") if p.suffix in (".state", ".safetensors", ".jsonl")]
        return {str(path): path.read_bytes() for path in kept}

    before = content()
    wrong = {"network_g": {"type": "SRResNet", "num_feat": 4, "num_block": 1}}
    with pytest.raises(TrainingError, match="does not fit"):
        run_training(options(path={"resume_state": str(state)}, **wrong))
    assert content() == before
