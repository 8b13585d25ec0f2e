"""Forward passes whose operations have backward rules other than the derivative.

A rule mode is active during a forward pass, and replaces operations (of modules, functions and operators alike) by
ones with the same values and another backward pass. Automatic differentiation then applies the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from core.errors import ConfigError

SMOOTH_ACTIVATIONS: Final = {
    "silu": "SiLU",
    "gelu": "GELU",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "elu": "ELU",
    "selu": "SELU",
    "leaky_relu": "LeakyReLU",
    "prelu": "PReLU",
    "relu6": "ReLU6",
    "hardtanh": "Hardtanh",
    "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
    "mish": "Mish",
    "softplus": "Softplus",
}
"""Names of functions that are activations other than ReLU, and how messages call them."""

OTHER_OPERATIONS: Final = {
    "layer_norm": "layer normalisation",
    "group_norm": "group normalisation",
    "instance_norm": "instance normalisation",
    "softmax": "softmax",
    "matmul": "products of activations",
    "bmm": "products of activations",
    "einsum": "products of activations",
    "scaled_dot_product_attention": "attention",
    "multi_head_attention_forward": "attention",
    "conv1d": "one-dimensional convolution",
    "conv3d": "three-dimensional convolution",
    "conv_transpose2d": "transposed convolution",
}
"""Names of functions that have no rule in any method, and how messages call them."""

_ALIASES: Final = {"relu_": "relu", "add_": "add", "mul_": "mul", "silu_": "silu", "sigmoid_": "sigmoid"}


class RuledFunction(torch.autograd.Function):
    """Operation whose backward pass is a rule (gradient, *inputs) -> gradients of the inputs."""

    @staticmethod
    def forward(ctx: Any, compute: Callable[..., Tensor], rule: Callable[..., Any], *inputs: Tensor) -> Tensor:
        ctx.rule = rule
        ctx.save_for_backward(*inputs)
        return compute(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        backward = ctx.rule(gradients[0], *ctx.saved_tensors)
        return None, None, *(backward if isinstance(backward, tuple) else (backward,))


def apply_rule(compute: Callable[..., Tensor], rule: Callable[..., Any], *inputs: Tensor) -> Tensor:
    """Compute an operation whose backward pass is a rule."""
    output: Tensor = RuledFunction.apply(compute, rule, *inputs)  # type: ignore[no-untyped-call]
    return output


class RuleMode(TorchFunctionMode):
    """Mode that replaces operations of a forward pass; this base class only makes operations in place ordinary ones.

    A subclass replaces the operation `name` by a method `compute_name` with the parameters of the function in PyTorch.

    Attributes:
        obstacles: names of functions that the method has no rule for, and how messages call them.
    """

    obstacles: Mapping[str, str] = MappingProxyType({})

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = str(getattr(func, "__name__", ""))
        name = _ALIASES.get(name, name)
        # Constants, as sizes and weights are, take no part in the explanation.
        if not any(isinstance(value, Tensor) and value.requires_grad for value in (*args[:2], *kwargs.values())):
            return func(*args, **kwargs)
        if name in self.obstacles:
            raise ConfigError(describe_obstacle(self.method, self.obstacles[name]))
        compute = getattr(self, f"compute_{name}", None)
        return func(*args, **kwargs) if compute is None else compute(*args, **kwargs)

    def compute_relu(self, input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
        return F.relu(input)

    def compute_add(self, input: Any, other: Any, alpha: float = 1) -> Tensor:  # noqa: A002
        return torch.add(torch.as_tensor(input), other, alpha=alpha)

    def compute_mul(self, input: Any, other: Any) -> Tensor:  # noqa: A002
        return torch.mul(torch.as_tensor(input), other)


def describe_obstacle(method: str, operation: str) -> str:
    """Describe why a method cannot explain a network."""
    return (
        f"{method} is not defined through {operation}, which this network has; choose another method, as gradcam, "
        "integrated_gradients or occlusion, or a network with ReLU"
    )
