"""Wide products of narrow matrices: the splitting in closed form, the rest against float64.

The matrix units that are meant are a GPU's (tests/gpu); here the CPU multiplies the same narrow matrices.
"""

import pytest
import torch

from brodmann.models import products
from brodmann.models.head import WideLinear

ROWS, WIDTH, VOCABULARY = 6, 192, 515


@pytest.fixture
def multiplied(monkeypatch):
    """What matrix units do: narrow factors, exact products, float32 sums. Collects the factors."""
    factors = []

    def product(left, right):
        factors.append((left, right))
        return left.float() @ right.float()

    monkeypatch.setattr(products, "product", product)
    monkeypatch.setattr(products, "_LONGEST_SUM", 64)
    return factors


def narrow(*shape, dtype=torch.bfloat16):
    return torch.randn(shape, dtype=torch.float64).to(dtype)


def apart(found, expected):
    found, expected = found.detach(), expected.detach()
    return float((found.double() - expected).abs().max() / expected.abs().max())


def test_thirds_are_the_whole():
    """bf16 has 8 of the 24 bits, and float32's range: nothing is lost between 1e-33 and 1e38."""
    torch.manual_seed(0)
    exponents = torch.randint(-110, 127, (100_000,))
    values = torch.ldexp(1 + torch.rand(100_000), exponents) * torch.randn(100_000).sign()
    exact = torch.tensor([0.0, 1 + 2**-23, 2 - 2**-23, -(1 + 2**-8 + 2**-16 + 2**-23), 3.38e38])
    values = torch.cat([values, exact])
    parts = list(products.thirds(values))
    assert [part.dtype for part in parts] == [torch.bfloat16] * 3
    assert torch.equal(sum(part.double() for part in parts), values.double())
    two = parts[0].double() + parts[1].double()
    assert ((two - values.double()).abs() <= 2**-16 * values.double().abs()).all()
    assert not torch.equal(two, values.double())


def test_the_smallest_values_lose_no_more_than_bf16_cannot_hold():
    values = torch.tensor([1e-37, -1.2345e-38, 1e-40, 1.4e-45])
    found = sum(part.double() for part in products.thirds(values))
    assert ((found - values.double()).abs() <= 2**-134).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("most", [1, 2000, 1 << 20])
def test_logits_are_those_of_a_float64_product(multiplied, most, dtype):
    torch.manual_seed(1)
    rows, weight = narrow(ROWS, WIDTH, dtype=dtype), narrow(VOCABULARY, WIDTH, dtype=dtype)
    found = products.narrow_by_narrow(rows, weight, most)
    assert found.dtype == torch.float32
    assert apart(found, rows.double() @ weight.double().T) < 1e-6
    assert {factor.dtype for pair in multiplied for factor in pair} == {dtype}
    assert {left.shape[1] for left, _ in multiplied} == {64}
    # After the first piece, whose product is the answer itself.
    held = max(len(left) * right.shape[1] for left, right in multiplied[1:])
    assert held <= max(most, ROWS)


@pytest.mark.parametrize("most", [1, 2000, 1 << 20])
def test_gradients_keep_the_precision_of_float32(multiplied, most):
    torch.manual_seed(2)
    rows, weight = torch.randn(ROWS, VOCABULARY) * 1e-6, narrow(VOCABULARY, WIDTH)
    rows[:, ::7] *= 1e6  # softmax's gradient: few are large
    expected = rows.double() @ weight.double()
    found = products.wide_by_narrow(rows, weight, most)
    assert found.dtype == torch.float32
    assert (
        apart(found, expected) < 1e-6 < apart(rows.bfloat16().double() @ weight.double(), expected)
    )
    assert {factor.dtype for pair in multiplied for factor in pair} == {torch.bfloat16}
    assert max(left.numel() for left, _ in multiplied) <= max(most / 3, ROWS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_head_uses_them_where_they_work(multiplied, monkeypatch, dtype):
    """fp16 backwards not: a gradient may be too small for it."""
    monkeypatch.setattr(products, "sums_in_float32", lambda *_: True)
    torch.manual_seed(3)
    head = WideLinear(WIDTH, VOCABULARY, dtype=dtype).requires_grad_(False)
    hidden = narrow(2, 3, WIDTH, dtype=dtype).requires_grad_(True)
    upstream = torch.randn(2, 3, VOCABULARY) * 1e-9
    logits = head(hidden)
    assert multiplied and apart(logits, hidden.double() @ head.weight.double().T + head.bias) < 1e-6
    multiplied.clear()
    # A float32 input's gradient is not rounded in the end.
    wide = hidden.detach().float().requires_grad_(True)
    logits = head(wide)
    assert not multiplied
    (gradient,) = torch.autograd.grad(logits, wide, upstream)
    assert bool(multiplied) == (dtype == torch.bfloat16)
    assert apart(gradient, upstream.double() @ head.weight.double()) < 1e-6


def test_no_rows_are_rows_too(multiplied):
    weight = narrow(VOCABULARY, WIDTH)
    assert products.narrow_by_narrow(weight[:0], weight, 100).shape == (0, VOCABULARY)
    assert products.wide_by_narrow(torch.zeros(0, VOCABULARY), weight, 100).shape == (0, WIDTH)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_cpu_has_no_such_units(dtype):
    assert not products.sums_in_float32(torch.device("cpu"), dtype)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_gpu_adds_in_float32(dtype):
    if not products.sums_in_float32(torch.device("cuda"), dtype):
        pytest.skip("this torch or card has no such products")
    torch.manual_seed(4)
    rows, weight = narrow(ROWS, 8192, dtype=dtype).cuda(), narrow(4096, 8192, dtype=dtype).cuda()
    found = products.narrow_by_narrow(rows, weight, 1 << 20)
    assert apart(found, rows.double() @ weight.double().T) < 1e-5


def test_pieces_are_whole_and_in_order():
    for length, at_once in ((10, 3), (200, 70), (200, 64), (5, 100), (1, 0), (64, 64)):
        found = products.pieces(length, at_once)
        places = [place for piece in found for place in range(length)[piece]]
        assert places == list(range(length))
        assert all(piece.stop - piece.start <= max(1, at_once) for piece in found)
    assert [piece.stop for piece in products.pieces(200, 70)] == [64, 128, 192, 200]
