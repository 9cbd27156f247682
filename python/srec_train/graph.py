# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as data (docs/model-format.md): a builder that writes graphs, and an interpreter that runs them in PyTorch.
"""
import numpy as np
import torch
import torch.nn.functional as F


class Graph:
    """Writes one network. Each method returns the name of the tensor that it adds."""

    def __init__(self, name: str, tensors: dict[str, np.ndarray], dtype: type = np.float16, **inputs: int) -> None:
        """Start a network.

        tensors: dict that collects the weights, as `dtype`.
        inputs: name = channels.
        """
        self.name, self.tensors, self.dtype = name, tensors, dtype
        self.nodes: list[dict] = []
        self.outputs: list[str] = []
        self.inputs = [{"name": k, "channels": v} for k, v in inputs.items()]

    def _node(self, op, inputs, **fields):
        out = f"t{len(self.nodes)}"
        self.nodes.append({"op": op, "in": inputs, "out": out, **{k: v for k, v in fields.items() if v is not None}})
        return out

    def conv(
        self,
        x: str,
        weight: np.ndarray,
        bias: np.ndarray | None = None,
        stride: int = 1,
        pad: int | None = None,
        relu: bool = False,
        add: str | None = None,
    ) -> str:
        """Add a convolution.

        weight: array (out, in, k, k).
        bias: array (out).
        """
        key = f"{self.name}.{len(self.nodes)}"
        self.tensors[key + ".weight"] = np.asarray(weight, self.dtype)
        if bias is not None:
            self.tensors[key + ".bias"] = np.asarray(bias, np.float32)
        return self._node(
            "conv",
            [x],
            weight=key + ".weight",
            bias=key + ".bias" if bias is not None else None,
            stride=stride,
            pad=weight.shape[2] // 2 if pad is None else pad,
            relu=relu or None,
            add=add,
        )

    def residual(self, x: str, a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> str:
        """Add x + b(relu(a(x))).

        a, b: (weight, bias).
        """
        return self.conv(self.conv(x, *a, relu=True), *b, add=x)

    def shuffle(self, x: str, factor: int) -> str:
        return self._node("pixel_shuffle", [x], factor=factor)

    def unshuffle(self, x: str, factor: int) -> str:
        return self._node("pixel_unshuffle", [x], factor=factor)

    def relu(self, x: str) -> str:
        return self._node("relu", [x])

    def sigmoid(self, x: str) -> str:
        return self._node("sigmoid", [x])

    def add(self, a: str, b: str) -> str:
        return self._node("add", [a, b])

    def mul(self, a: str, b: str) -> str:
        return self._node("mul", [a, b])

    def concat(self, *xs: str) -> str:
        return self._node("concat", list(xs))

    def output(self, x: str) -> None:
        self.outputs.append(x)

    def json(self) -> dict:
        return {"inputs": self.inputs, "outputs": self.outputs, "nodes": self.nodes}


class Runner(torch.nn.Module):
    """Runs a graph with the weights of a model file. Planes are (N, C, H, W)."""

    def __init__(self, graph: dict, tensors: dict[str, np.ndarray], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.graph = graph
        self.weights = {
            name: torch.from_numpy(np.array(tensors[name], np.float32)).to(dtype)
            for node in graph["nodes"]
            for name in (node.get("weight"), node.get("bias"))
            if name
        }
        for name, w in self.weights.items():
            if w.dim() == 4:
                self.weights[name] = w.contiguous(memory_format=torch.channels_last)

    def forward(self, *inputs: torch.Tensor, keep: bool = False) -> list[torch.Tensor] | dict[str, torch.Tensor]:
        """Return the list of outputs, or with keep all tensors by name."""
        v = {i["name"]: x for i, x in zip(self.graph["inputs"], inputs)}
        for n in self.graph["nodes"]:
            x = [v[i] for i in n["in"]]
            if n["op"] == "conv":
                y = F.conv2d(x[0], self.weights[n["weight"]], self.weights.get(n.get("bias")), n["stride"], n["pad"])
                if "add" in n:
                    y = y + v[n["add"]]
                if n.get("relu"):
                    y = F.relu(y)
            elif n["op"] == "pixel_shuffle":
                y = F.pixel_shuffle(x[0], n["factor"])
            elif n["op"] == "pixel_unshuffle":
                y = F.pixel_unshuffle(x[0], n["factor"])
            elif n["op"] == "relu":
                y = F.relu(x[0])
            elif n["op"] == "sigmoid":
                y = torch.sigmoid(x[0])
            elif n["op"] == "add":
                y = x[0] + x[1]
            elif n["op"] == "mul":
                y = x[0] * x[1]
            elif n["op"] == "concat":
                y = torch.cat(x, 1)
            else:
                raise ValueError(f"unknown op {n['op']}")
            v[n["out"]] = y
        return v if keep else [v[o] for o in self.graph["outputs"]]
