"""``adasr test``: weights, datasets and metrics of an option YAML to tables and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import OptionError
from ..inference.upscaler import choose_device
from ..options import Options, check_paths
from ..weights import build_network, load_into
from .build import make_datasets, make_metrics
from .scores import Evaluation
from .tables import markdown_table, protocol_notes, write_scores
from .validate import ImageResult, evaluate


def run_test(options: Options, tell: Callable[[str], None]) -> bool:
    """Score the options' weights (and bicubic interpolation) on each of their datasets.

    Tables and per-image scores go to ``results_root/name``.

    Args:
        options: checked options with ``path.pretrain_network_g``, datasets and metrics.
        tell: takes lines for a person.

    Returns:
        Whether every image could be scored.

    Raises:
        OptionError: no weights, no dataset or no metric is named.
    """
    options.require_test()
    check_paths(options, "test")
    weights = options.path.pretrain_network_g
    assert weights is not None  # require_test has seen to it
    assert options.val is not None
    datasets = make_datasets(options, options.test_datasets)
    metrics = make_metrics(options, tell)
    if not metrics:
        with options.at("val", "metrics"):
            raise OptionError("no metric can be had here.", hint="E.g. psnr: {crop_border: 4}.")
    device = choose_device()
    with options.at("network_g"):
        network = build_network(options.network_g.options)
    load_into(network, weights, options.path.strict_load_g, options.path.param_key_g)
    network.to(device).eval()
    folder = Path(options.path.results_root) / options.name
    found: list[Evaluation] = []
    for name, dataset in datasets.items():
        found.append(
            evaluate(
                network,
                dataset,
                metrics,
                save_dir=folder / "visualization" / name if options.val.save_img else None,
                baseline=True,
                model=options.name,
                dataset_name=name,
                on_image=lambda done: _tell_problem(done, tell),
            )
        )
    write_scores(found, folder)
    tell(markdown_table(found))
    tell(protocol_notes(found))
    tell(f"Per-image scores: {folder}")
    return not any(evaluation.failures for evaluation in found)


def _tell_problem(done: ImageResult, tell: Callable[[str], None]) -> None:
    if done.problem:
        tell(f"{done.name}: {done.problem}")
