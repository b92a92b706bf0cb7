"""Matrix products, einsum and attention."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ..ir import Attention, Linear, MatMul, Merge, Pointwise, Reduce
from .constants import shape_of
from .layout import permuted, reshaped
from .registry import Unsupported, lowers
from .values import Const, Value

if TYPE_CHECKING:
    from .walk import Walker


@lowers("linear")
def _linear(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    value, weight, bias = args["input"], args["weight"], args.get("bias")
    shape = shape_of(node.meta["val"])
    if not isinstance(weight, Const) or not isinstance(value, Value) or len(weight.shape) != 2:
        raise Unsupported("its matrix is computed from the input")
    op = Linear(weight.shape[1], weight.shape[0])
    return walker.emit(op, [value], shape, weights=walker.weights(weight=weight, bias=bias))


@lowers("matmul", "mm", "bmm", "__matmul__", "__rmatmul__")
def _matmul(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    first, second = args["self"], args.get("mat2", args.get("other", args.get("tensor2")))
    return product(walker, first, second, shape_of(node.meta["val"]))


def product(walker: Walker, first: Any, second: Any, shape: Any) -> Any:
    """first @ second; a constant matrix behind an activation is a linear layer."""
    if isinstance(second, Const) and len(second.shape) == 2 and isinstance(first, Value) and len(first.shape) > 1:
        weights = {"weight": walker.weight("weight", second, transposed=True)}
        return walker.emit(Linear(*second.shape), [first], shape, weights=weights)
    if len(first.shape) < 2 or len(second.shape) < 2:
        raise Unsupported("a vector takes part in the product")
    return walker.emit(MatMul(), [first, second], shape)


@lowers("addmm", "baddbmm", "addbmm")
def _add_product(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    names = ("mat1", "mat2") if "mat1" in args else ("batch1", "batch2")
    shape = shape_of(node.meta["val"])
    if node.target._schema.name.endswith("addbmm") and not node.target._schema.name.endswith("baddbmm"):
        raise Unsupported("it adds the products of a batch")
    added, first, second = args["self"], args[names[0]], args[names[1]]
    if isinstance(first, Const) and isinstance(second, Const):
        return walker.emit(Merge("add"), [added, Const(node, shape)], shape)
    if isinstance(added, Const) and isinstance(second, Const) and len(second.shape) == 2:
        weights = {"weight": walker.weight("weight", second, transposed=True), "bias": walker.weight("bias", added)}
        return walker.emit(Linear(*second.shape), [first], shape, weights=weights)
    result = product(walker, first, second, shape)
    if isinstance(added, Const):
        return walker.emit(Pointwise("add", nonlinear=False), [result], shape)
    return result if args.get("beta") == 0 else walker.emit(Merge("add"), [added, result], shape)


@lowers(
    "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_attention_math",
)
def _attention(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    val = node.meta["val"]
    several = isinstance(val, (list, tuple))
    shape = shape_of(val[0] if several else val)
    result = walker.emit(Attention(), [args["query"], args["key"], args["value"]], shape)
    return [result, *(None for _ in val[1:])] if several else result


@lowers("cdist", "_cdist_forward", "_euclidean_dist")
def _distances(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """Rows of the first against rows of the second: placed like a product with the transpose."""
    first, second = walker.activation(args["x1"]), walker.activation(args["x2"])
    rank = len(second.shape)
    turned = permuted(walker, second, (*range(rank - 2), rank - 1, rank - 2))
    return walker.emit(MatMul(), [first, turned], shape_of(node.meta["val"]))


@lowers("einsum")
def _einsum(walker: Walker, node: Any, args: dict[str, Any]) -> Any:
    """One or two operands: permute, reshape, multiply, and back."""
    operands, shape = list(args["tensors"]), shape_of(node.meta["val"])
    terms, out = _parse(str(args["equation"]), [len(v.shape) for v in operands])
    if len(operands) > 2:
        raise Unsupported(f"it contracts {len(operands)} tensors at once")
    if any(len(set(t)) != len(t) for t in terms):
        raise Unsupported("a letter appears twice in one term")
    others = [set(out).union(*(terms[:i] + terms[i + 1 :])) for i in range(len(terms))]
    for i, (term, other) in enumerate(zip(terms, others, strict=True)):
        lonely = [a for a, letter in enumerate(term) if letter not in other]
        if lonely:
            kept = tuple(e for a, e in enumerate(operands[i].shape) if a not in lonely)
            operands[i] = walker.emit(Reduce(tuple(lonely), False, "sum"), [operands[i]], kept)
            terms[i] = [letter for letter in term if letter in other]
    if len(operands) == 1:
        return permuted(walker, operands[0], tuple(terms[0].index(letter) for letter in out))
    return _contract(walker, operands, terms, out, shape)


def _contract(walker: Walker, operands: list[Any], terms: list[list[str]], out: list[str], shape: Any) -> Any:
    a, b = terms
    extent = {
        letter: e
        for t, v in zip(reversed(terms), reversed(operands), strict=True)
        for letter, e in zip(t, v.shape, strict=True)
    }
    for t, v in zip(terms, operands, strict=True):
        if any(extent[letter] != e for letter, e in zip(t, v.shape, strict=True)):
            raise Unsupported("a dimension of 1 is broadcast")
    batch = [x for x in a if x in b and x in out]
    rows = [x for x in a if x not in b]
    columns = [x for x in b if x not in a]
    summed = [x for x in a if x in b and x not in out]
    size = {
        name: prod(extent[x] for x in letters)
        for name, letters in (("rows", rows), ("columns", columns), ("summed", summed))
    }
    stack = tuple(extent[x] for x in batch)

    def arrange(value: Any, term: list[str], order: list[str], target: tuple[int, ...]) -> Any:
        if isinstance(value, Const):
            value = walker.activation(value)
        return reshaped(walker, permuted(walker, value, tuple(term.index(x) for x in order)), target)

    first = arrange(operands[0], a, batch + rows + summed, (*stack, size["rows"], size["summed"]))
    second = arrange(operands[1], b, batch + summed + columns, (*stack, size["summed"], size["columns"]))
    merged = (*stack, size["rows"], size["columns"])
    op = MatMul() if summed else Merge("mul")
    result = walker.emit(op, [first, second], merged)
    letters = batch + rows + columns
    result = reshaped(walker, result, tuple(extent[x] for x in letters))
    return permuted(walker, result, tuple(letters.index(x) for x in out))


def _parse(equation: str, ranks: list[int]) -> tuple[list[list[str]], list[str]]:
    """Letters of the operands and of the result; "..." becomes numbered dimensions counted from the right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms: list[list[str]] = []
    widest = 0
    for term, rank in zip(left.split(","), ranks, strict=True):
        hidden = rank - len(term.replace("...", "")) if "..." in term else 0
        widest = max(widest, hidden)
        terms.append(_letters(term, hidden))
    if not arrow:
        every = [x for t in terms for x in t]
        right = ("..." if widest else "") + "".join(
            sorted(x for x in set(every) if len(x) == 1 and every.count(x) == 1)
        )
    return terms, _letters(right, widest)


def _letters(term: str, hidden: int) -> list[str]:
    before, _, after = term.partition("...")
    return [*before, *(f"dim{i}" for i in range(hidden, 0, -1)), *after]
