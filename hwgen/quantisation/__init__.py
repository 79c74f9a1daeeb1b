"""From a float ONNX model to a quantised one that the accelerator runs: ``hwgen quantise``.

See docs/use/quantise.md.
"""

from .quantise import Quantised, quantise
from .samples import Samples

__all__ = ["Quantised", "Samples", "quantise"]
