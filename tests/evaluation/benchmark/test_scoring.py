"""Metrics by the names that a person types."""

from __future__ import annotations

import pytest

from adasr.errors import OptionError
from adasr.evaluation.benchmark.scoring import make_metric, make_scoring


def test_metrics_have_the_border_of_the_field_unless_they_name_one() -> None:
    assert make_metric("psnr", 4).protocol()["crop_border"] == 4
    assert make_metric("psnr:crop_border=0", 4).protocol()["crop_border"] == 0
    luma = make_metric("ssim_y:crop_border=2", 4).protocol()
    assert (luma["metric"], luma["colour"], luma["crop_border"]) == (
        "ssim", "Y of BT.601 YCbCr", 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("psnrr", r"--metrics.*'psnr'"),
        ("psnr:border=3", r"--metrics.*no option 'border'"),
        ("psnr:crop_border", r"--metrics.*NAME:option=value"),
        ("psnr:crop_border=x", r"--metrics"),
    ],
)
def test_a_wrong_metric_is_one_message(label: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make_metric(label, 4)


def test_what_cannot_be_had_is_told_once_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from adasr.errors import UnavailableError
    from adasr.metrics import lpips

    def unavailable(*_: object) -> None:
        raise UnavailableError("LPIPS is unavailable: no weights.")

    monkeypatch.setattr(lpips, "load_lpips", unavailable)
    told: list[str] = []
    scoring = make_scoring(None, 4, True, False, told.append)
    assert list(scoring.paired) == ["psnr", "ssim"]
    assert list(scoring.missing) == ["lpips"]
    assert len(told) == 1
    with pytest.raises(OptionError, match="none of the metrics"):
        make_scoring(["lpips"], 4, True, False, told.append)


def test_images_without_ground_truth_need_a_metric_that_does_without() -> None:
    with pytest.raises(OptionError, match="without ground truth"):
        make_scoring(["psnr"], 4, True, True, lambda line: None)
