"""Projections that follow an optimizer: only real steps, at the right ones, and the same ones after a resume."""

import ast
import copy
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.momos.projection import MoMos
from complexity_lab.momos.qat import quantize_weights
from complexity_lab.momos.schedule import attach

README = Path(__file__).parents[3] / "shared" / "seeds" / "000_af14cd6d93facecc.txt"


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def momos(seed=0, **arguments):
    return MoMos(**{"s": 2, "k": 5, **arguments}, generator=torch.Generator().manual_seed(seed))


def step(model, optimizer):
    optimizer.zero_grad()
    model(torch.ones(3, 4)).square().sum().backward()
    optimizer.step()


def pairs(model):
    return {tuple(pair) for p in model.parameters() for pair in p.detach().reshape(-1, 2).tolist()}


@pytest.mark.parametrize(("every", "expected"), [("step", 7), (1, 7), (2, 3), (7, 1), (8, 0)])
def test_projections_follow_steps(every, expected):
    model, results = network(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attached = attach(momos(), model, optimizer, every, results.append)
    for _ in range(7):
        step(model, optimizer)
    assert (attached.steps, attached.projections, len(results)) == (7, expected, expected)
    assert attached.last is (results[-1] if results else None)
    assert (attached.seconds > 0) is bool(expected)


def test_the_weights_after_a_step_are_motifs():
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    attach(momos(), model, optimizer)
    step(model, optimizer)
    assert len(pairs(model)) <= 5


def test_it_is_the_call_after_every_step():
    by_hook, by_hand = network(), network()
    ours, theirs = (torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9) for model in (by_hook, by_hand))
    attach(momos(), by_hook, ours, every=2)
    project = momos()
    for number in range(1, 6):
        step(by_hook, ours)
        step(by_hand, theirs)
        if number % 2 == 0:
            project(by_hand)
    assert all(torch.equal(a, b) for a, b in zip(by_hook.parameters(), by_hand.parameters(), strict=True))


def test_removal_ends_it_and_keeps_the_counts():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attached = attach(momos(), model, optimizer)
    step(model, optimizer)
    attached.remove()
    attached.remove()
    step(model, optimizer)
    assert (attached.steps, attached.projections) == (1, 1)


def test_gradient_accumulation_counts_steps_not_batches():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attached = attach(momos(), model, optimizer)
    for batch in range(8):
        model(torch.ones(3, 4)).sum().backward()
        if batch % 4 == 3:
            optimizer.step()
    assert attached.projections == 2


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_the_scaler_skips_does_not_count(fused):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    attached = attach(momos(), model, optimizer)
    for factor in (1.0, float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale(model(torch.ones(3, 4)).sum() * factor).backward()
        scaler.step(optimizer)
        scaler.update()
    assert (attached.steps, attached.projections) == (2, 2)


def test_a_closure_that_runs_many_times_is_one_step():
    model, calls = network(), []
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=5)
    attached = attach(momos(), model, optimizer)

    def closure():
        optimizer.zero_grad()
        loss = model(torch.ones(3, 4)).square().sum()
        loss.backward()
        calls.append(loss.item())
        return loss

    assert optimizer.step(closure).item() == calls[0]
    assert len(calls) > 1
    assert attached.projections == 1


def test_of_several_optimizers_the_last_one_projects_all():
    model = network()
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    last = torch.optim.Adam(model[2].parameters(), lr=0.1)
    attached = attach(momos(), model, last)
    model(torch.ones(3, 4)).square().sum().backward()
    first.step()
    assert attached.projections == 0
    last.step()
    assert attached.projections == 1
    assert len(pairs(model)) <= 5


def test_the_module_under_a_compiled_one_is_projected():
    model = network()
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.SGD(compiled.parameters(), lr=0.01)
    attach(momos(), compiled, optimizer)
    step(compiled, optimizer)
    assert len(pairs(model)) <= 5
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(WeightsError, match=r"of 0\.weight are NaN"):
        optimizer.step()


def test_a_resumed_run_projects_at_the_same_steps_with_the_same_motifs():
    def begin():
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        return model, optimizer, attach(momos(), model, optimizer, every=3)

    straight, optimizer, attached = begin()
    for _ in range(4):
        step(straight, optimizer)
    saved = copy.deepcopy([holder.state_dict() for holder in (straight, optimizer, attached)])
    resumed, second, again = begin()
    for holder, state in zip((resumed, second, again), saved, strict=True):
        holder.load_state_dict(state)
    for _ in range(5):
        step(straight, optimizer)
        step(resumed, second)
    assert (again.steps, again.projections) == (attached.steps, attached.projections) == (9, 3)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))


def test_a_state_of_another_kind_of_randomness_is_refused():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with_one, without = attach(momos(), model, optimizer), attach(MoMos(s=2, k=5), model, optimizer)
    with pytest.raises(InputError, match="the saved state has a generator, the projection has none"):
        without.load_state_dict(with_one.state_dict())
    with pytest.raises(InputError, match="the projection has a generator, the saved state has none"):
        with_one.load_state_dict(without.state_dict())


def test_quantized_weights_are_projected_too():
    model = network()
    quantize_weights(model, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(momos(), model, optimizer)
    for _ in range(2):
        step(model, optimizer)
    assert len(pairs(model)) <= 5


def test_a_diverged_step_stops_the_training():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=float("inf"))
    attach(momos(), model, optimizer)
    with pytest.raises(WeightsError, match="the training step before diverged"):
        step(model, optimizer)


@pytest.mark.parametrize("every", [0, -1])
def test_a_number_of_steps_below_one_is_refused(every):
    model = network()
    with pytest.raises(InputError, match=f"every {every} steps, wanted at least 1"):
        attach(momos(), model, torch.optim.SGD(model.parameters(), lr=0.1), every)


@pytest.mark.parametrize(
    ("projection", "every", "sentence"),
    [
        (MoMos(s=2), "epoch", "every 'epoch', wanted step or a number of steps; once an epoch, call"),
        (MoMos(s=99), "step", "blocks of s = 99 values, but the largest"),
        (MoMos(s=2, k=999), "step", "k = 999 motifs, but there are"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(projection, every, sentence):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(InputError, match=sentence):
        attach(projection, model, optimizer, every)
    step(model, optimizer)
    assert len(pairs(model)) > 5


# how the reference's README uses its MoMos; here only the import is another
LOOP = """
from complexity_lab import MoMos

momos = MoMos(s=4, capacity=0.01, q=32, force_zero=True)

for images, labels in loader:
    optimizer.zero_grad(set_to_none=True)
    loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
    q_stats = momos(model)
"""


def test_the_published_loop_runs_with_only_the_import_changed():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4))
    here = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "criterion": nn.CrossEntropyLoss(),
        "loader": [(torch.randn(8, 16), torch.randint(4, (8,))) for _ in range(3)],
    }
    exec(LOOP, here)
    stats = here["q_stats"]
    assert stats.blocks == 256 + 16 + 64 + 1
    assert stats.k == 3
    assert stats.num_changed_weights > 0
    blocks = {tuple(block) for p in model.parameters() for block in p.detach().reshape(-1, 4).tolist()}
    assert len(blocks) <= 3
    assert (0.0,) * 4 in blocks


def calls(program):
    """Every call in order: what is called, how many values it gets, and options with theirs; and what is kept."""
    found = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call)]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    options = [{word.arg: ast.literal_eval(word.value) for word in node.keywords} for node in found]
    kept = [ast.unparse(node.targets[0]) for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Assign)]
    return [(ast.unparse(node.func), len(node.args), given) for node, given in zip(found, options, strict=True)], kept


@pytest.mark.skipif(not README.exists(), reason="the text with the snippet is not beside the repository")
def test_the_loop_makes_the_calls_of_the_published_one():
    text = README.read_text(encoding="utf-8")
    published = re.search(r"Standalone MoMos usage:\s+```python\n(.*?)```", text, re.DOTALL).group(1)
    assert calls(LOOP) == calls(published)
    imports = [[line for line in program.splitlines() if "import" in line] for program in (LOOP, published)]
    assert imports == [["from complexity_lab import MoMos"], ["from momos.src.quantizers import MoMos"]]
