"""Rules of layer-wise relevance propagation (LRP) and of excitation backpropagation.

Relevance takes the place of the gradient. It starts as 1 at the target class, and each operation distributes the
relevance of its outputs over its inputs (Bach et al. 2015, Montavon et al. 2019, Zhang et al. 2018). Definitions follow
Zennit's composites (Anders et al. 2021), which the study used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from core.errors import ConfigError
from recognition.explanation.saliency.backward_rules import (
    OTHER_OPERATIONS,
    SMOOTH_ACTIVATIONS,
    RuleMode,
    apply_rule,
    describe_obstacle,
)

_EPSILON: Final = 1e-6

Additions: TypeAlias = Literal["norm", "copy"]
"""Rule for sums of two paths: in proportion to the summands, or all relevance to both."""


@dataclass(frozen=True)
class LinearLayer:
    """Convolution or dense layer, with the batch normalisation that follows it merged into its weights.

    Attributes:
        apply: computes the layer of an input and a weight, without bias.
        weight, bias: of the layer; the bias has the shape of one output, or is a zero.
        flat: relevance is distributed evenly over the inputs.
    """

    apply: Callable[[Tensor, Tensor], Tensor]
    weight: Tensor
    bias: Tensor
    flat: bool

    def merge(self, scale: Tensor, shift: Tensor) -> LinearLayer:
        """Merge a normalisation, that is output * scale + shift for each channel."""
        weight = self.weight * scale.view(-1, *[1] * (self.weight.dim() - 1))
        like_output = (-1, 1, 1) if self.weight.dim() == 4 else (-1,)
        return replace(self, weight=weight, bias=self.bias * scale.view(like_output) + shift.view(like_output))


def share(layer: LinearLayer, parts: Sequence[tuple[Tensor, Tensor]], bias: Tensor, relevance: Tensor) -> Tensor:
    """Distribute relevance in proportion to contributions.

    Args:
        layer: computes contributions.
        parts: pairs of input and weight; the contributions of all pairs are summed.
        bias: takes its part of the relevance, which is lost.
        relevance: of the outputs.
    """
    inputs = [x.detach().requires_grad_() for x, _ in parts]
    with torch.enable_grad():
        outputs = [layer.apply(x, weight) for x, (_, weight) in zip(inputs, parts, strict=True)]
        total = torch.stack(outputs).sum(dim=0) if len(outputs) > 1 else outputs[0]
    gradients = torch.autograd.grad(total, inputs, relevance / stabilize(total.detach() + bias))
    return sum((x.detach() * gradient for x, gradient in zip(inputs, gradients, strict=True)), torch.zeros(()).to(bias))


def stabilize(z: Tensor) -> Tensor:
    """Move values away from zero."""
    return z + torch.where(z < 0, -_EPSILON, _EPSILON)


def share_by_epsilon(layer: LinearLayer, x: Tensor, relevance: Tensor) -> Tensor:
    return share(layer, [(x, layer.weight)], layer.bias, relevance)


def share_by_z_plus(layer: LinearLayer, x: Tensor, relevance: Tensor) -> Tensor:
    """Distribute relevance over positive contributions."""
    parts = _pair(x, layer.weight.clamp(min=0), layer.weight.clamp(max=0))
    return share(layer, parts, layer.bias.clamp(min=0), relevance)


def share_by_alpha2_beta1(layer: LinearLayer, x: Tensor, relevance: Tensor) -> Tensor:
    """Distribute twice the relevance over positive contributions, and take it away once over negative ones."""
    parts = _pair(x, layer.weight.clamp(max=0), layer.weight.clamp(min=0))
    return 2 * share_by_z_plus(layer, x, relevance) - share(layer, parts, layer.bias.clamp(max=0), relevance)


def share_evenly(layer: LinearLayer, x: Tensor, relevance: Tensor) -> Tensor:
    ones = torch.ones_like(layer.weight)
    return share(layer, [(torch.ones_like(x), ones)], torch.zeros_like(layer.bias), relevance)


def _pair(x: Tensor, for_positive: Tensor, for_negative: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Pair the positive and the negative part of an input with weights; nothing is negative after ReLU."""
    parts = [(x.clamp(min=0), for_positive)]
    return [*parts, (x.clamp(max=0), for_negative)] if bool((x < 0).any()) else parts


Rule: TypeAlias = Callable[[LinearLayer, Tensor, Tensor], Tensor]


class RelevanceMode(RuleMode):
    """Mode that propagates relevance.

    Args:
        method: name for messages.
        convolution, dense: rules of the layers.
        flat: the first layer distributes its relevance evenly.
        additions: rule for sums.
    """

    obstacles = OTHER_OPERATIONS

    def __init__(self, method: str, convolution: Rule, dense: Rule, flat: bool, additions: Additions) -> None:
        super().__init__(method)
        self.convolution, self.dense, self.flat, self.additions = convolution, dense, flat, additions
        self._layers: Any = WeakTensorKeyDictionary()

    def compute_conv2d(
        self,
        input: Tensor,  # noqa: A002
        weight: Tensor,
        bias: Tensor | None = None,
        *options: Any,
        **named: Any,
    ) -> Tensor:
        def apply(x: Tensor, w: Tensor) -> Tensor:
            return F.conv2d(x, w, None, *options, **named)

        shift = weight.new_zeros(1, 1, 1) if bias is None else bias.detach().view(-1, 1, 1)
        return self._compute_layer(apply, self.convolution, input, weight, shift)

    def compute_linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: A002
        shift = weight.new_zeros(1) if bias is None else bias.detach()
        return self._compute_layer(F.linear, self.dense, input, weight, shift)

    def _compute_layer(
        self, apply: Callable[[Tensor, Tensor], Tensor], rule: Rule, x: Tensor, weight: Tensor, bias: Tensor
    ) -> Tensor:
        layers = [LinearLayer(apply, weight.detach(), bias, self.flat)]
        self.flat = False

        def distribute(relevance: Tensor, x: Tensor) -> Tensor:
            return (share_evenly if layers[0].flat else rule)(layers[0], x, relevance)

        output = apply_rule(lambda x: apply(x, layers[0].weight) + bias, distribute, x)
        self._layers[output] = layers
        return output

    def compute_batch_norm(
        self,
        input: Tensor,  # noqa: A002
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        scale = (running_var + eps).rsqrt() * (1 if weight is None else weight.detach())
        shift = -running_mean * scale + (0 if bias is None else bias.detach())
        if (layers := self._layers.get(input)) is None:
            raise ConfigError(describe_obstacle(self.method, "batch normalisation without a convolution before it"))
        layers[0] = layers[0].merge(scale, shift)
        return self._pass_normalization(input, scale, shift, (1 + eps) ** -0.5)

    def _pass_normalization(self, x: Tensor, scale: Tensor, shift: Tensor, remaining: float) -> Tensor:
        """Compute a merged normalisation, which keeps its epsilon as in Zennit, and pass all relevance."""
        shape = (-1, *[1] * (x.dim() - 2))
        return apply_rule(
            lambda x: (x * scale.view(shape) + shift.view(shape)) * remaining, lambda relevance, x: relevance, x
        )

    def compute_relu(self, input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
        return apply_rule(F.relu, lambda relevance, x: relevance, input)

    def compute_add(self, input: Any, other: Any, alpha: float = 1) -> Tensor:  # noqa: A002
        if not _are_activations(input, other):
            return super().compute_add(input, other, alpha)
        if self.additions == "copy":
            return apply_rule(
                lambda a, b: torch.add(a, b, alpha=alpha), lambda relevance, a, b: (relevance, relevance), input, other
            )

        def distribute(relevance: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
            part = relevance / stabilize(a + alpha * b)
            return a * part, alpha * b * part

        return apply_rule(lambda a, b: torch.add(a, b, alpha=alpha), distribute, input, other)

    def compute_avg_pool2d(self, input: Tensor, *options: Any, **named: Any) -> Tensor:  # noqa: A002
        return _average(lambda x: F.avg_pool2d(x, *options, **named), input)

    def compute_adaptive_avg_pool2d(self, input: Tensor, *options: Any, **named: Any) -> Tensor:  # noqa: A002
        return _average(lambda x: F.adaptive_avg_pool2d(x, *options, **named), input)

    def compute_mean(self, input: Tensor, *options: Any, **named: Any) -> Tensor:  # noqa: A002
        return _average(lambda x: torch.mean(x, *options, **named), input)


class LrpMode(RelevanceMode):
    """Relevance that passes activations unchanged; a gate (as of squeeze and excitation) is a constant factor."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._gates: Any = WeakTensorKeyDictionary()

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = str(getattr(func, "__name__", ""))
        if name in SMOOTH_ACTIVATIONS and args and isinstance(args[0], Tensor) and args[0].requires_grad:
            output = apply_rule(
                lambda x: func(x.clone(), *args[1:], **(kwargs or {})), lambda relevance, x: relevance, args[0]
            )
            if "sigmoid" in name:
                self._gates[output] = True
            return output
        return super().__torch_function__(func, types, args, kwargs)

    def compute_mul(self, input: Any, other: Any) -> Tensor:  # noqa: A002
        if not _are_activations(input, other):
            return super().compute_mul(input, other)
        if (input in self._gates) == (other in self._gates):
            raise ConfigError(describe_obstacle(self.method, "products of activations"))
        signal, gate = (input, other.detach()) if other in self._gates else (other, input.detach())
        return apply_rule(lambda x: x * gate, lambda relevance, x: relevance, signal)


class ExcitationMode(RelevanceMode):
    """Excitation backpropagation: activations and normalisations pass the ordinary gradient.

    With the rule "copy" normalisations stay apart from the convolutions, as in the study.
    """

    def compute_relu(self, input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
        return F.relu(input)

    def compute_batch_norm(self, *args: Any, **kwargs: Any) -> Tensor:
        return (
            F.batch_norm(*args, **kwargs) if self.additions == "copy" else super().compute_batch_norm(*args, **kwargs)
        )

    def _pass_normalization(self, x: Tensor, scale: Tensor, shift: Tensor, remaining: float) -> Tensor:
        passed = super()._pass_normalization(x, scale, shift, remaining)
        return apply_rule(torch.clone, lambda relevance, x: relevance * remaining, passed)


def _are_activations(a: Any, b: Any) -> bool:
    return all(isinstance(one, Tensor) and one.requires_grad for one in (a, b))


def _average(compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Compute an average, and distribute relevance in proportion to its inputs."""
    nothing = x.new_zeros(())
    layer = LinearLayer(lambda x, _: compute(x), nothing, nothing, flat=False)
    return apply_rule(compute, lambda relevance, x: share_by_epsilon(layer, x, relevance), x)
