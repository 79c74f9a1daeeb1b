"""The proofs of blocks, their covers, and that a broken variant of each is caught."""

import pytest

pytest.importorskip("pyosys")

from formal.proofs import PROOFS  # noqa: E402


@pytest.mark.parametrize("name", PROOFS)
def test_properties_hold(name):
    for depth, goal in PROOFS[name].goals().items():
        assert PROOFS[name].prove(depth, goal).proved, goal


@pytest.mark.parametrize("name", ("fifo, depth 4", "shallow_fifo, depth 4", "csr", "read_dma",
                                  "write_dma", "stream", "controller, semaphore 6"))
def test_they_are_not_vacuous(name):
    """Every cover is met, and the broken variant is caught."""
    assert all(cycle is not None for cycle in PROOFS[name].covers().values())
    assert PROOFS[name].caught_at() is not None
