"""Small pieces of arithmetic that several blocks use."""

__all__ = ["tree_sum"]


def tree_sum(values):
    """The sum of ``values`` as a balanced tree, no wider than it must be."""
    values = list(values)
    while len(values) > 1:
        values = [a + b for a, b in zip(values[::2], values[1::2], strict=False)] + \
                 (values[-1:] if len(values) % 2 else [])
    return values[0]
