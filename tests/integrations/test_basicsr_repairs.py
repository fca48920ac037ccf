from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from basicsr_project import free_port
from torch import nn

FAULTS = """
import json, os, sys, torch
import numpy as np
from torch import nn
{imports}
from basicsr.data.degradations import random_add_jpg_compression
from basicsr.models.base_model import BaseModel
from basicsr.models import sr_model
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.train import load_resume_state
from basicsr.utils.dist_util import init_dist
from basicsr.utils.img_process_util import filter2D
from basicsr.utils.options import parse_options

os.environ |= dict(RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT="{port}")


def filters():
    kernel = torch.rand(2, 3, 3)
    image = torch.rand(2, 3, 8, 8)
    found = filter2D(image.to(memory_format=torch.channels_last), kernel)
    assert torch.equal(found, filter2D(image, kernel))


def images():
    image = torch.full((1, 3, 2, 2), 2.0)
    assert sr_model.tensor2img([image]).max() == 255
    assert image.min() == 2.0


def jpeg():
    assert random_add_jpg_compression(np.zeros((8, 8, 3), np.float32)).max() < 0.05


def video():
    model = VideoRecurrentModel.__new__(VideoRecurrentModel)
    model.device, data = torch.device("cpu"), {{"lq": torch.rand(1, 2, 3, 4, 4)}}
    model.feed_data(data)
    data["lq"].squeeze_(0)
    assert model.lq.shape == (1, 2, 3, 4, 4)


def cuda():
    model = RealESRNetModel.__new__(RealESRNetModel)
    model.device = torch.device("cpu")
    model.lq, model.gt, model.queue_size = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 8, 8), 4
    model._dequeue_and_enqueue()
    assert model.queue_lr.device.type == "cpu" and torch.equal(model.queue_lr[:2], model.lq)


def resume():
    torch.save({{"iter": 3, "value": torch.ones(2)}}, "3.state")
    opt = {{"auto_resume": False, "path": {{"resume_state": "3.state"}}}}
    assert torch.equal(load_resume_state(opt)["value"], torch.ones(2))


def gpus():
    sys.argv = ["train.py", "-opt", "options.yml"]
    opt, _ = parse_options(".")
    assert opt["datasets"]["val"]["prefetch_mode"] is None
    net = BaseModel(opt).model_to_device(nn.Conv2d(1, 1, 1))
    assert net.weight.device.type == "cpu"


def launcher():
    sys.argv = ["train.py", "--local-rank=0", "-opt", "options.yml"]
    {again}
    parse_options(".")


def processes():
    init_dist("pytorch")
    assert torch.distributed.get_backend() == "gloo"


def parallel():
    model = BaseModel({{"num_gpu": 0, "is_train": True, "dist": True}})
    net = model.model_to_device(nn.Conv2d(1, 1, 1))
    assert isinstance(net, nn.parallel.DistributedDataParallel)


found = {{}}
for fault in (
    filters, images, jpeg, video, cuda, resume, gpus, launcher, processes, parallel
):
    try:
        fault()
        found[fault.__name__] = ""
    except BaseException as error:
        found[fault.__name__] = type(error).__name__
print(json.dumps(found))
"""

OPTIONS = """
{name: run, num_gpu: 2, manual_seed: 0, path: {}, logger: {}, train: {},
 datasets: {val: {prefetch_mode: cuda}}}
"""


def faults(folder: Path, imports: str, port: int, again: str = "pass") -> dict[str, str]:
    """What fails in a fresh process, by the name of its trigger."""
    (folder / "options.yml").write_text(OPTIONS)
    code = FAULTS.format(imports=imports, port=port, again=again)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.skipif(torch.cuda.is_available(), reason="most faults are not there with CUDA")
def test_every_fault_is_there_without_the_integration_and_gone_with_it(
    basicsr: ModuleType, tmp_path: Path
) -> None:
    plain = "from adasr.compat import import_basicsr; import_basicsr()"
    before = faults(tmp_path, plain, free_port())
    assert before == {
        "filters": "RuntimeError",
        "images": "AssertionError",
        "jpeg": "error",
        "video": "AssertionError",
        "cuda": "AssertionError",
        "resume": "AssertionError",
        "gpus": "AssertionError",
        "launcher": "SystemExit",
        "processes": "ZeroDivisionError",
        "parallel": "AssertionError",
    }
    mended = "import adasr.integrations.basicsr"
    again = "adasr.integrations.basicsr.repair(); from basicsr.utils.options import parse_options"
    after = faults(tmp_path, mended, free_port(), again)
    assert not any(after.values()), after


def test_basicsr_imports_after_the_integration_in_one_line(basicsr: ModuleType) -> None:
    code = "import adasr.integrations.basicsr, basicsr.train, basicsr.test; print('ok')"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code], capture_output=True, text=True
    )
    assert done.stdout.strip() == "ok", done.stderr


def test_nothing_is_mended_twice(integration: ModuleType) -> None:
    assert integration.repair() == []


def test_repairs_for_machines_without_cuda_are_left_out_on_others(
    integration: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adasr.integrations.basicsr import repairs

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(repairs, "_mended", set())
    mended: list[str] = []
    named = [
        repairs.Repair(item.name, item.found, lambda name=item.name: mended.append(name))
        for item in repairs.REPAIRS
    ]
    monkeypatch.setattr(repairs, "REPAIRS", named)
    repairs.repair()
    without = {"video validation on the CPU", "several processes without CUDA"}
    without |= {"options for GPUs without CUDA"}
    assert not without & set(mended)


class Frames(torch.utils.data.Dataset[dict[str, Any]]):
    """Three frames of one folder, one at a time or all together."""

    def __init__(self, together: bool) -> None:
        self.together = together
        self.opt, self.data_info = {"name": "frames"}, {"folder": ["a"] * 3}

    def __len__(self) -> int:
        return 1 if self.together else 3

    def __getitem__(self, index: int) -> dict[str, Any]:
        random = torch.Generator().manual_seed(index)
        lq = torch.rand(3, 3, 8, 8, generator=random)
        gt = lq.clone() if self.together else lq[1].clone()
        place = {"folder": "a", "idx": f"{index}/3", "lq_path": "frame.png"}
        return {"lq": lq, "gt": gt, **place}


class Copy(nn.Module):
    """Every frame, or the one in the middle of three."""

    def __init__(self, together: bool) -> None:
        super().__init__()
        self.together = together

    def forward(self, lq: torch.Tensor) -> torch.Tensor:
        return lq if self.together else lq[:, 1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="the fault is not there with CUDA")
@pytest.mark.parametrize("together", [False, True])
def test_video_models_validate_on_a_cpu(integration: ModuleType, together: bool) -> None:
    from basicsr.models.video_base_model import VideoBaseModel
    from basicsr.models.video_recurrent_model import VideoRecurrentModel

    owner = VideoRecurrentModel if together else VideoBaseModel
    model = owner.__new__(owner)
    metrics = {"psnr": {"type": "calculate_psnr", "crop_border": 0}}
    model.opt = {"val": {"metrics": metrics, "suffix": None}, "dist": False, "is_train": True}
    model.device, model.net_g, model.center_frame_only = torch.device("cpu"), Copy(together), False
    loader = torch.utils.data.DataLoader(Frames(together))
    model.dist_validation(loader, 1, None, False)
    assert model.metric_results["a"].tolist() == [[float("inf")]] * 3
