"""`.pt2` files: the archive's graph rebuilt as an fx graph and walked like any other. Nothing of the file is run."""

from __future__ import annotations

import importlib
import operator
from pathlib import Path
from typing import Any

import torch
from torch import fx
from torch._ops import HigherOrderOperator, OpOverload

from ...errors import ModelError
from ..check import check
from ..ir import Graph
from .archive import AGAIN, INSTEAD, Archive, dtype_of, size_of
from .export import bind_constant, finished, quiet
from .places import Places
from .propagate import propagate
from .record import first_line
from .walk import Walker

_OPERATORS = (
    "getitem",
    "add",
    "sub",
    "mul",
    "floordiv",
    "truediv",
    "mod",
    "neg",
    "pow",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "and_",
    "or_",
    "not_",
)


def from_pt2(path: str | Path, inputs: Any = None) -> Graph:
    """The graph of an exported program on disk, for the shapes it was exported with or for `inputs` (shapes).

    No pickle is opened and torch's own loader is not called: the graph is read from JSON, weights from raw bytes when
    a rule asks for them. Raises `ModelError` for other files, for pickled contents, and for shapes that do not fit.
    """
    path = Path(path)
    if path.suffix != ".pt2":
        raise ModelError(f"{path.name} is not a .pt2 file, and pickled models are never opened; {INSTEAD}")
    archive = Archive(path)
    try:
        with quiet():
            graph = _read(archive, inputs)
    except ModelError:
        raise
    except Exception as error:  # a damaged file can break any assumption about its JSON
        raise ModelError(f"{path.name} cannot be understood ({first_line(error)}); {AGAIN}") from error
    return check(graph)


def _read(archive: Archive, inputs: Any) -> Graph:
    parts = archive.program["graph_module"]
    module, nodes = GraphReader(parts["graph"]).read()
    walker = Walker(Places(None))
    names: list[str] = []
    users: list[fx.Node] = []
    constants: list[tuple[fx.Node, str]] = []
    for spec in parts["signature"]["input_specs"]:
        ((kind, body),) = spec.items()
        if kind == "user_input" and "as_tensor" in body["arg"]:
            users.append(nodes[body["arg"]["as_tensor"]["name"]])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            constants.append((nodes[body["arg"]["name"]], body[f"{kind}_name"]))
    if inputs is not None:
        propagate(module, users, inputs)
    for node in users:
        names.append(walker.input(node))
    for node, name in constants:
        bind_constant(walker, node, name, archive.tensors.get(name))
    for node in module.graph.nodes:
        if node.op == "placeholder" and node not in walker.env:
            walker.env[node] = node.meta.get("val")
    returned = walker.run(module)
    kinds = [next(iter(spec)) for spec in parts["signature"]["output_specs"]]
    return finished(walker, names, [v for v, k in zip(returned, kinds, strict=True) if k == "user_output"])


class GraphReader:
    """One graph of the file's JSON as an fx graph module; sub-graphs become its attributes."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._graph = fx.Graph()
        self._root = torch.nn.Module()
        self._nodes: dict[str, Any] = {}

    def read(self) -> tuple[fx.GraphModule, dict[str, Any]]:
        """The module, and its nodes by their names in the file."""
        for argument in self._source["inputs"]:
            ((_, body),) = argument.items()
            name = body.get("name") or body.get("as_name") if isinstance(body, dict) else None
            node = self._graph.placeholder(name or "input")
            if name:
                self._named(name, node)
        for entry in self._source["nodes"]:
            self._node(entry)
        results = [self._argument(a) for a in self._source["outputs"]]
        single = self._source.get("is_single_tensor_return")
        self._graph.output(results[0] if single else tuple(results))
        return fx.GraphModule(self._root, self._graph), self._nodes

    def _node(self, entry: Any) -> None:
        target = _target(entry["target"])
        args, kwargs = [], {}
        for item in entry["inputs"]:
            value = self._argument(item["arg"])
            if item.get("kind") == 2:
                kwargs[item["name"]] = value
            else:
                args.append(value)
        node = self._graph.create_node("call_function", target, tuple(args), kwargs, name=entry.get("name"))
        node.meta["nn_module_stack"] = _stack(entry.get("metadata", {}).get("nn_module_stack", ""))
        self._outputs(node, entry)

    def _outputs(self, node: fx.Node, entry: Any) -> None:
        outputs = entry["outputs"]
        several = len(outputs) != 1
        if not several:
            ((kind, body),) = outputs[0].items()
            several = kind == "as_tensors" or (
                entry["target"].startswith("torch.ops.higher_order")
                and entry.get("is_hop_single_tensor_return") is False
            )
            outputs = [{"as_tensor": t} for t in body] if kind == "as_tensors" else outputs
        if not several:
            name = _name(outputs[0])
            if name:
                self._named(name, node)
            return
        vals: list[Any] = []
        for index, output in enumerate(outputs):
            name = _name(output)
            vals.append(None)
            if name:
                piece = self._graph.create_node("call_function", operator.getitem, (node, index), name=name)
                piece.meta["nn_module_stack"] = node.meta["nn_module_stack"]
                self._named(name, piece)
                vals[-1] = piece.meta["val"]
        node.meta["val"] = tuple(vals)

    def _named(self, name: str, node: fx.Node) -> None:
        self._nodes[name] = node
        tensor = self._source["tensor_values"].get(name)
        if tensor is not None:
            sizes = [size_of(s) for s in tensor["sizes"]]
            node.meta["val"] = torch.empty(sizes, dtype=dtype_of(tensor["dtype"]), device="meta")
            return
        for table, key in (
            ("sym_int_values", "as_int"),
            ("sym_float_values", "as_float"),
            ("sym_bool_values", "as_bool"),
        ):
            number = self._source.get(table, {}).get(name)
            if number is not None:
                node.meta["val"] = number[key] if key in number else (number["as_expr"].get("hint") or {}).get(key)

    def _argument(self, argument: Any) -> Any:
        ((kind, body),) = argument.items()
        if kind == "as_none":
            return None
        if kind in ("as_tensor", "as_optional_tensor"):
            return self._nodes[body["name"]] if kind == "as_tensor" else self._argument(body)
        if kind in ("as_tensors", "as_nested_tensors"):
            return [self._nodes[t["name"]] for t in body]
        if kind == "as_optional_tensors":
            return [self._argument(t) for t in body]
        if kind in ("as_sym_int", "as_sym_bool", "as_sym_float"):
            return self._symbol(body)
        if kind in ("as_sym_ints", "as_sym_bools", "as_sym_floats"):
            return [self._symbol(s) for s in body]
        if kind == "as_scalar_type":
            return dtype_of(body)
        if kind == "as_device":
            return torch.device("cpu")
        if kind in ("as_layout", "as_memory_format"):
            return None
        if kind == "as_graph":
            module, _ = GraphReader(body["graph"]).read()
            name = f"graph_{len(self._nodes)}_{len(list(self._root.children()))}"
            self._root.add_module(name, module)
            return self._graph.get_attr(name)
        if kind in (
            "as_int",
            "as_ints",
            "as_float",
            "as_floats",
            "as_string",
            "as_strings",
            "as_bool",
            "as_bools",
            "as_int_lists",
            "as_float_lists",
        ):
            return body
        if kind == "as_complex":
            return complex(body["real"], body["imag"])
        raise ModelError(f"the file passes {kind.removeprefix('as_')} to an operator, which is not read")

    def _symbol(self, body: Any) -> Any:
        return self._nodes[body["as_name"]] if "as_name" in body else next(iter(body.values()))


def _target(name: str) -> Any:
    """The operator that a name of the file stands for; nothing but operators of torch can be named."""
    parts = name.split(".")
    if parts[0] in ("_operator", "math") or name.startswith("torch.sym_"):
        if parts[0] == "_operator" and parts[1] in _OPERATORS:
            return getattr(operator, parts[1])
        return _unknown_number
    if parts[:2] == ["torch", "ops"] and len(parts) == 5 and all(p.isidentifier() for p in parts):
        if parts[2] == "upweave":
            importlib.import_module("upweave.ops.torch")  # defines them
        packet = getattr(getattr(torch.ops, parts[2]), parts[3], None)
        found = getattr(packet, parts[4], None) if packet is not None else None
        if isinstance(found, OpOverload):
            return found
    if parts[:3] == ["torch", "ops", "higher_order"] and len(parts) == 4:
        found = getattr(torch.ops.higher_order, parts[3], None)
        if isinstance(found, HigherOrderOperator):
            return found
    return _foreign(name)


def _unknown_number(*_: Any) -> Any:
    raise ModelError("a size in the file is computed by a function that is not read; leave out --input")


def _foreign(name: str) -> Any:
    """A stand-in for an operator that is not installed here; the walker makes it opaque under its name."""

    def operator_of_the_file(*_: Any, **__: Any) -> Any:
        raise ModelError(f"the operator {name} of the file is not known here")

    operator_of_the_file.__name__ = name
    return operator_of_the_file


def _stack(text: str) -> dict[str, tuple[str, str]]:
    """ "key,path,type;key,path,type" as torch's nn_module_stack."""
    entries = [item.split(",") for item in text.split(";") if item.count(",") >= 2]
    return {e[0]: (e[1], e[2]) for e in entries}


def _name(output: Any) -> str | None:
    ((_, body),) = output.items()
    if not isinstance(body, dict):
        return None
    name = body.get("name") or body.get("as_name")
    return str(name) if name else None
