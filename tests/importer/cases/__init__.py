"""Small models, each built after a situation that trained networks and bug reports showed.

Each function gives a model's bytes and its inputs by name.
"""

from . import layers, limits, operands, quantisers, sequences, shapes

__all__ = ["CASES"]

CASES = {name: getattr(module, name) for module in (layers, limits, operands, quantisers, sequences,
                                                     shapes)
         for name in module.__all__}
