"""The law of overlap, against pipelines that are simulated piece by piece."""

import numpy as np
import pytest

from hwgen.cost.overlap import Work, exposed, hidden_beside, total

#: Cycles of a transfer, cycles of the computing beside it, pieces; both are cut evenly.
CASES = [(transfer * pieces, computing * pieces, pieces) for transfer in (0, 1, 7, 40, 300)
         for computing in (1, 7, 40, 300) for pieces in (1, 2, 3, 8)]


@pytest.mark.parametrize("transfer, computing, pieces", CASES)
def test_computing_that_begins_with_the_first_piece(transfer, computing, pieces):
    loaded = done = 0
    for _ in range(pieces):
        loaded += transfer // pieces
        done = max(done, loaded) + computing // pieces
    assert exposed(transfer, computing, pieces) == done - computing


@pytest.mark.parametrize("transfer, computing, pieces", CASES)
def test_computing_that_gives_itself_up_piece_by_piece(transfer, computing, pieces):
    computed = stored = 0
    for _ in range(pieces):
        computed += computing // pieces
        stored = max(stored, computed) + transfer // pieces
    assert exposed(transfer, computing, pieces) == stored - computing


@pytest.mark.parametrize("transfer, computing, pieces", CASES)
def test_a_transfer_between_two_computings_in_one_buffer(transfer, computing, pieces):
    """The first gives its pieces up, each is loaded anew, the second waits for each."""
    released, loaded = [], []
    for n in range(1, pieces + 1):
        released.append(n * computing // pieces)
        loaded.append(max(released[-1], loaded[-1] if loaded else 0) + transfer // pieces)
    done = computing
    for at in loaded:
        done = max(done, at) + computing // pieces
    assert max(transfer - hidden_beside(computing, pieces), 0) == done - 2 * computing


def test_the_longest_way_decides():
    array, loader = Work(20, 105, 10), Work(5, 90, 30)
    assert total(array, loader) == 135
    assert total(array, loader._replace(cycles=120)) == 155
    assert (total(Work(np.array([0, 9]), 10, 0), Work(5, 6, 1)) == [12, 19]).all()
