from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn

from adasr.archs.srresnet import SRResNet
from adasr.errors import OptionError
from adasr.regularizers.adaptive_dropout import AdaptiveDropout
from adasr.regularizers.channel_dropout import ChannelDropout
from adasr.regularizers.none import NoRegularizer
from adasr.regularizers.sites import attach, detach, find_sites


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x).relu())


class Net(nn.Module):
    default_sites = ("body.*.conv1", "conv_last:input")

    def __init__(self) -> None:
        super().__init__()
        self.conv_last = nn.Conv2d(8, 3, 3, padding=1)
        self.body = nn.Sequential(*(Block() for _ in range(12)))
        self.conv_first = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_last(self.body(self.conv_first(x)))


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 6, 6)


def test_state_dict_and_evaluation_are_those_of_the_plain_network(x: Tensor) -> None:
    net = Net().eval()
    keys, expected = list(net.state_dict()), net(x)
    attach(net, AdaptiveDropout())
    assert list(net.state_dict()) == keys
    assert list(dict(net.named_parameters())) == keys
    assert torch.equal(net(x), expected)
    net.train()
    assert not torch.allclose(net(x), expected)


def test_parameters_that_learn_stand_under_the_reserved_prefix() -> None:
    net = Net()
    plain = set(net.state_dict())
    attach(net, AdaptiveDropout(gate="vector"))
    extra = set(net.state_dict()) - plain
    assert len(extra) == 13 * 4
    assert all(key.startswith("adasr_regularizers.") for key in extra)


def test_sites_follow_the_forward_pass_when_an_example_is_given(x: Tensor) -> None:
    blocks = [f"body.{i}.conv1" for i in range(12)]
    assert [s.name for s in attach(Net(), AdaptiveDropout())] == ["conv_last:input", *blocks]
    sites = attach(Net(), AdaptiveDropout(), example=x)
    assert [s.name for s in sites] == [*blocks, "conv_last:input"]


def test_every_site_has_its_own_weight(x: Tensor) -> None:
    sites = attach(Net(), AdaptiveDropout(weight=0.3), example=x)
    sites[2].weight = 0.9
    assert [s.weight for s in sites[:4]] == [0.3, 0.3, 0.9, 0.3]


def test_all_weights_one_equal_the_plain_network(x: Tensor) -> None:
    net = Net()
    expected = net(x)
    for site in attach(net, AdaptiveDropout()):
        site.weight = 1.0
    assert torch.equal(net(x), expected)


def test_detach_leaves_no_trace(x: Tensor) -> None:
    net = Net()
    before = pickle.dumps(net)
    attach(net, AdaptiveDropout(gate="scalar"), example=x)
    detach(net)
    assert pickle.dumps(net) == before
    detach(net)


def test_copies_are_independent(x: Tensor) -> None:
    net = Net()
    sites = attach(net, AdaptiveDropout())
    twin = copy.deepcopy(net)
    for site in sites:
        site.weight = 1.0
    a, b = twin(x), twin(x)
    assert not torch.allclose(a, b)
    assert torch.equal(net(x), net(x))
    detach(twin)
    assert torch.equal(twin(x), twin(x))


def test_pickle_and_torch_save_carry_the_regularizer(x: Tensor) -> None:
    net = Net()
    attach(net, AdaptiveDropout())
    for loaded in (pickle.loads(pickle.dumps(net)), _through_torch_save(net)):
        torch.manual_seed(3)
        expected = net(x)
        torch.manual_seed(3)
        assert torch.equal(loaded(x), expected)


def _through_torch_save(net: nn.Module) -> nn.Module:
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


def test_activation_checkpointing_repeats_the_mask(x: Tensor) -> None:
    from torch.utils.checkpoint import checkpoint

    net = Net()
    attach(net, AdaptiveDropout())
    torch.manual_seed(0)
    net(x).sum().backward()
    expected = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    torch.manual_seed(0)
    checkpoint(net, x, use_reentrant=False).sum().backward()
    for p, g in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, g)


def test_compiled_graph_is_whole_and_follows_the_annealing(x: Tensor) -> None:
    net = Net()
    sites = attach(net, AdaptiveDropout(weight=0.3), example=x)
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compiled = torch.compile(net, backend=backend, fullgraph=True)
    assert not torch.allclose(compiled(x), compiled(x))
    for site in sites:
        site.weight = 1.0
    torch.testing.assert_close(compiled(x), net(x))
    assert len(graphs) == 1


def test_regularizers_without_default_everywhere(x: Tensor) -> None:
    net = Net()
    assert [s.name for s in attach(net, ChannelDropout())] == ["conv_last:input"]
    plain = Net()
    assert attach(plain, NoRegularizer()) == []
    assert not hasattr(plain, "adasr_regularizers")


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("body.*", 12), ("**.conv1", 12), ("body.*.conv?", 0), ("conv_last", 1), ("body.1", 1)],
)
def test_patterns(pattern: str, count: int) -> None:
    if count:
        assert len(find_sites(Net(), pattern)) == count
    else:
        with pytest.raises(OptionError, match="matches no module"):
            find_sites(Net(), pattern)


def test_faults_are_named(x: Tensor) -> None:
    with pytest.raises(OptionError, match="Did you mean 'conv_last'"):
        attach(Net(), AdaptiveDropout(), sites="conv_lost")
    with pytest.raises(OptionError, match="names no sites"):
        attach(nn.Sequential(nn.Conv2d(3, 3, 1)), AdaptiveDropout())
    with pytest.raises(OptionError, match="not reached"):
        net = Net()
        net.spare = nn.Conv2d(1, 1, 1)
        attach(net, AdaptiveDropout(), sites="spare", example=x)
    net = Net()
    attach(net, AdaptiveDropout())
    with pytest.raises(OptionError, match="detach first"):
        attach(net, AdaptiveDropout())


def test_gate_at_a_module_of_unknown_width_asks_for_an_example(x: Tensor) -> None:
    with pytest.raises(OptionError, match="example"):
        attach(Net(), AdaptiveDropout(gate="vector"), sites="body.*")
    assert len(attach(Net(), AdaptiveDropout(gate="vector"), sites="body.*", example=x)) == 12


def test_probe_keeps_modes_and_random_state(x: Tensor) -> None:
    net = Net().train()
    net.body[0].eval()
    before = torch.get_rng_state()
    attach(net, AdaptiveDropout(), example=x)
    assert torch.equal(torch.get_rng_state(), before)
    assert net.training
    assert not net.body[0].training
    assert net.body[1].training


@pytest.mark.parametrize("compiled", [False, True])
def test_data_parallel_leaves_the_weights_to_each_process(compiled: bool) -> None:
    """Else a forward pass in one process alone would wait for the others."""
    net = SRResNet(num_feat=8, num_block=2)
    attach(net, AdaptiveDropout())
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = torch.compile(net, backend="eager") if compiled else net
        assert not nn.parallel.DistributedDataParallel(model).modules_buffers
        before = set(vars(SRResNet(num_feat=8, num_block=2)))
        detach(net)
        assert set(vars(net)) - {"_is_torch_compile"} == before  # which torch leaves
    finally:
        torch.distributed.destroy_process_group()
