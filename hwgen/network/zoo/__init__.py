"""Known networks with their true shapes and synthetic weights, quantised by ONNX Runtime.

See docs/use/zoo.md. The command is ``hwgen zoo``.
"""

from .architectures import NETWORKS, architecture
from .weights import synthesise

__all__ = ["NETWORKS", "architecture", "synthesise"]
