"""The projection against its naive twin, its statistics, its randomness, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import complexity_lab as cl
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.momos.projection import MoMos
from tests.naive import momos as naive

SHAPES = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple), min_size=1, max_size=4)
EXACT = [-2, -1.5, -1, -0.5, -0.25, -0.0, 0, 0.25, 0.5, 0.75, 1, 1.5, 2]  # in every dtype, with many ties
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


class Parameters(nn.Module):
    def __init__(self, tensors):
        super().__init__()
        self.held = nn.ParameterList([nn.Parameter(tensor) for tensor in tensors])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def mlp(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 3))


def copy_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def unchanged(model, before):
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def blocks_of(model, s):
    return {tuple(block) for p in model.parameters() for block in p.detach().reshape(-1, s).tolist()}


@st.composite
def cases(draw):
    """Shapes, blocks as (s, padding, tile), dtypes, values, positions of the motifs and force_zero."""
    shapes = draw(SHAPES)
    if draw(st.booleans()):
        rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        shapes, cut = [*shapes, (rows, columns)], {"tile": (rows, columns)}
        blocks = naive.tile_blocks(shapes, rows, columns)
    else:
        s = min(draw(st.integers(1, 7)), max(int(np.prod(shape)) for shape in shapes))
        cut = {"s": s, "padding": draw(st.sampled_from(["tensor", "vector"]))}
        blocks = naive.flat_blocks(shapes, **cut)
    dtypes = draw(st.lists(st.sampled_from(DTYPES), min_size=len(shapes), max_size=len(shapes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        arrays = [rng.choice(EXACT, shape) for shape in shapes]
    else:
        arrays, dtypes = [rng.normal(size=shape) for shape in shapes], [draw(st.sampled_from(DTYPES))] * len(shapes)
    k = draw(st.integers(1, len(blocks)))
    force_zero = draw(st.booleans())
    positions = rng.permutation(len(blocks))[: k - force_zero]
    tensors = [torch.tensor(array, dtype=dtype) for array, dtype in zip(arrays, dtypes, strict=True)]
    return tensors, cut, blocks, positions.tolist(), force_zero


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_the_projection_is_the_naive_one(case):
    tensors, cut, blocks, positions, force_zero = case
    arrays = [tensor.double().numpy() for tensor in tensors]
    motifs = naive.motifs_at(arrays, blocks, positions, force_zero)
    after, assignment, distortion, changed = naive.project(arrays, blocks, motifs)

    def choose(found, k, *, force_zero, generator):
        drawn = found[torch.tensor(positions, dtype=torch.int64)]
        return torch.cat([found.new_zeros((1, found.shape[1])), drawn]) if force_zero else drawn

    momos = MoMos(**cut, k=len(motifs), force_zero=force_zero, choice=choose)
    result = momos(Parameters(tensors))
    assert result.motifs.tolist() == motifs
    assert result.assignment.tolist() == assignment
    assert [tensor.tolist() for tensor in tensors] == [array.tolist() for array in after]
    assert result.distortion == pytest.approx(distortion, rel=1e-5, abs=1e-12)
    assert result.num_changed_weights == changed
    assert result.motif_counts.tolist() == np.bincount(assignment, minlength=len(motifs)).tolist()
    assert (result.blocks, result.values) == (len(blocks), sum(array.size for array in arrays))
    assert result.used_motifs == len(set(assignment))
    assert result.distinct_motifs == len({tuple(motif) for motif in motifs})


@settings(max_examples=40, deadline=None)
@given(case=cases(), seed=st.integers(0, 9))
def test_a_random_motif_is_a_block_and_every_value_comes_from_a_motif(case, seed):
    tensors, cut, blocks, positions, force_zero = case
    arrays = [tensor.double().numpy().copy() for tensor in tensors]
    k = len(positions) + force_zero
    result = MoMos(**cut, k=k, force_zero=force_zero, generator=seeded(seed))(Parameters(tensors))
    known = [naive.values_of(arrays, block) for block in blocks]
    assert all(motif in known for motif in result.motifs[int(force_zero) :].tolist())
    after, *_ = naive.project(arrays, blocks, result.motifs.tolist())
    assert [tensor.tolist() for tensor in tensors] == [array.tolist() for array in after]


def test_one_motif_that_is_zero_leaves_nothing():
    model = mlp()
    result = MoMos(s=4, k=1, force_zero=True)(model)
    assert not any(parameter.any() for parameter in model.parameters())
    assert result.motif_counts.tolist() == [result.blocks]


def test_the_zero_motif_wins_ties():
    model = Parameters([torch.tensor([2.0, 0, 1])])  # 1 is as far from 2 as from 0
    twos = lambda blocks, k, *, force_zero, generator: torch.tensor([[0.0], [2.0]])  # noqa: E731
    assert MoMos(s=1, k=2, choice=twos)(model).assignment.tolist() == [1, 0, 0]


def test_as_many_motifs_as_blocks_change_nothing():
    model = mlp()
    before = copy_of(model)
    result = MoMos(s=1, capacity=1.0, force_zero=False)(model)
    assert unchanged(model, before)
    assert (result.distortion, result.num_changed_weights) == (0.0, 0)


def test_a_second_projection_with_a_motif_for_every_different_block_changes_nothing():
    model = mlp()
    first = MoMos(s=2, k=5, generator=seeded())(model)
    before = copy_of(model)
    second = MoMos(s=2, k=6, choice="frequent", generator=seeded())(model)
    assert first.num_changed_weights > 0
    assert unchanged(model, before)
    assert second.num_changed_weights == 0


def test_at_most_k_different_blocks_are_left():
    model = mlp()
    MoMos(s=2, k=7, generator=seeded())(model)
    assert len(blocks_of(model, 1)) <= 14
    even = [parameter for parameter in model.parameters() if parameter.numel() % 2 == 0]
    assert len({tuple(pair) for parameter in even for pair in parameter.detach().reshape(-1, 2).tolist()}) <= 7


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_kept(dtype):
    model = mlp().to(dtype)
    result = MoMos(s=4, capacity=0.2, generator=seeded())(model)
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert result.num_changed_weights > 0


def test_rounding_to_a_narrower_dtype_is_part_of_the_statistics():
    wide, narrow = torch.tensor([1 + 1e-12], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float32)
    one = lambda blocks, k, *, force_zero, generator: blocks[:1]  # noqa: E731
    result = MoMos(s=1, k=1, force_zero=False, choice=one)(Parameters([wide, narrow]))
    assert narrow.item() == 1.0
    assert (result.num_changed_weights, result.distortion) == (0, 0.0)


def test_kmeans_in_half_precision_counts_what_was_written():
    model = mlp().half()
    before = torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()]).double()
    result = MoMos(s=4, k=6, choice="kmeans", generator=seeded())(model)
    after = torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()]).double()
    assert result.distortion == pytest.approx(float((after - before).square().sum()), rel=1e-6)
    assert result.num_changed_weights == int((after != before).sum())


def test_minus_zero_becoming_zero_is_no_change():
    model = Parameters([torch.tensor([-0.0, 0.0, 3.0, -0.0])])
    result = MoMos(s=2, k=1, choice=lambda blocks, k, *, force_zero, generator: torch.zeros(1, 2))(model)
    assert (result.num_changed_weights, result.distortion) == (1, 9.0)


def test_shared_parameters_count_once():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    result = MoMos(s=4, k=2, generator=seeded())(model)
    assert (result.values, result.blocks) == (16, 4)
    assert model[1].weight is model[0].weight


def test_frozen_parameters_and_buffers_stay():
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 8))
    model[1].running_mean.fill_(0.7)
    model[0].weight.requires_grad_(False)
    before = copy_of(model)
    MoMos(s=4, k=1)(model)
    for kept in ("0.weight", "1.running_mean", "1.running_var", "1.num_batches_tracked"):
        assert torch.equal(model.state_dict()[kept], before[kept])
    assert not model[2].weight.any()
    assert not model[1].weight.any()


def test_the_projection_happens_in_place_and_leaves_gradients_and_momentum():
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(2, 6)).sum().backward()
    optimizer.step()
    kept = [
        (p, p.data_ptr(), p.grad.clone(), optimizer.state[p]["momentum_buffer"].clone()) for p in model.parameters()
    ]
    MoMos(s=4, k=3, generator=seeded())(model)
    for parameter, address, gradient, momentum in kept:
        assert parameter.requires_grad
        assert parameter.data_ptr() == address
        assert torch.equal(parameter.grad, gradient)
        assert torch.equal(optimizer.state[parameter]["momentum_buffer"], momentum)


def test_a_generator_makes_it_reproducible_and_leaves_the_global_one():
    models = [mlp(), mlp(), mlp()]
    before = torch.random.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()  # noqa: NPY002
    for model, seed in zip(models, (1, 1, 2), strict=True):
        MoMos(s=2, k=9, generator=seeded(seed))(model)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002
    assert unchanged(models[1], models[0].state_dict())
    assert not unchanged(models[2], models[0].state_dict())


def test_rac_is_that_of_the_projection():
    model = mlp()
    result = MoMos(s=4, k=3, q=16)(model)
    n = sum(parameter.numel() for parameter in model.parameters())
    assert result.rac == n * 16 / (3 * 4 * 16 + result.blocks * 2)


def test_capacity_counts_blocks_of_the_tiling():
    assert MoMos(tile=(2, 1), capacity=0.5)(nn.Conv2d(1, 1, 3, bias=False)).k == 3  # 6 tiles, not 5 runs of two


def test_the_layout_follows_the_model():
    momos = MoMos(s=2, k=1)
    assert momos(nn.Linear(4, 4)).blocks == 10
    assert momos(nn.Linear(2, 4)).blocks == 6


def test_half_of_infinity_is_not_reached_by_a_sum():
    model = Parameters([torch.full((4,), 3e38)])  # the sum overflows, no value is infinite
    assert MoMos(s=2, k=1, force_zero=False)(model).num_changed_weights == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_that_are_not_finite_are_named_and_nothing_changes(bad, dtype):
    model = mlp().to(dtype)
    with torch.no_grad():
        model[3].weight[0, :2] = bad
    before = copy_of(model)
    with pytest.raises(WeightsError, match=r"2 of 24 weights of 3\.weight are NaN or infinite; the training step"):
        MoMos(s=4, k=2)(model)
    assert all(torch.equal(v.nan_to_num(7), before[n].nan_to_num(7)) for n, v in model.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"s": 0}, "s = 0, wanted at least 1 value in a block"),
        ({"s": -3}, "s = -3, wanted at least 1"),
        ({"s": 4, "k": 0}, "k = 0, wanted at least 1 motif"),
        ({"s": 4, "k": -1}, "k = -1, wanted at least 1"),
        ({"s": 4, "k": 2, "capacity": 0.1}, "k = 2 and capacity = 0.1: give one of them"),
        ({"capacity": 0.0}, "capacity 0.0, wanted above 0 and at most 1"),
        ({"capacity": 1.01}, "capacity 1.01, wanted above 0 and at most 1"),
        ({"capacity": float("nan")}, "capacity nan"),
        ({"q": 0}, "q = 0, wanted at least 1 bit"),
        ({"padding": "middle"}, "padding 'middle', wanted tensor or vector"),
        ({"tile": (0, 2)}, "tiles of 0 x 2 values, wanted at least 1 row and 1 column"),
        ({"tile": (-1, -2)}, "tiles of -1 x -2 values"),
        ({"tile": (2, 2), "s": 3}, "s = 3 and tiles of 2 x 2: give one of them"),
        ({"tile": (2, 2), "padding": "vector"}, "padding 'vector' and tiles exclude each other"),
    ],
)
def test_impossible_arguments_are_refused_before_there_is_a_model(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        MoMos(**arguments)


@pytest.mark.parametrize(
    ("momos", "sentence"),
    [
        (MoMos(s=100), "blocks of s = 100 values, but the largest trainable tensor has 48; choose a smaller s"),
        (MoMos(s=4, k=10_000), "k = 10000 motifs, but there are 25 blocks of 4 values"),
        (MoMos(tile=(7, 7)), "tiles of 7 x 7 values, but the largest trainable tensor has 48"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_and_nothing_changes(momos, sentence):
    model = mlp()
    before = copy_of(model)
    with pytest.raises(InputError, match=sentence):
        momos(model)
    assert unchanged(model, before)


def test_a_model_without_trainable_parameters_is_refused():
    for model in (nn.ReLU(), mlp().requires_grad_(False)):
        with pytest.raises(InputError, match="no trainable parameters, so there is nothing to project"):
            MoMos(s=2)(model)


def test_other_dtypes_are_refused_by_name():
    with pytest.raises(InputError, match=r"parameter held\.0 is torch\.complex64, wanted float64, float32, float16"):
        MoMos(s=1)(Parameters([torch.zeros(2, dtype=torch.complex64)]))


def test_parameters_on_several_devices_are_refused():
    with pytest.raises(InputError, match="parameters lie on cpu, meta; one codebook needs them on one device"):
        MoMos(s=1)(Parameters([torch.zeros(2), torch.zeros(2, device="meta")]))


def test_the_public_name():
    assert cl.MoMos is MoMos
