"""Published figures of the Eyeriss chip, to be compared with on the same layers.

Source: Y.-H. Chen, T. Krishna, J. Emer, V. Sze, "Eyeriss: An Energy-Efficient Reconfigurable
Accelerator for Deep Convolutional Neural Networks", IEEE JSSC 52(1), 2017, tables III, V and VI.
"""

from dataclasses import dataclass

__all__ = ["MAPPINGS", "PUBLISHED", "Published"]

_MHZ = 200


@dataclass(frozen=True)
class Published:
    """What the chip took for a layer, an image, 16 bits a value.

    Attributes
    ----------
    cycles, total_cycles : int
        At 200 MHz: processing only, all DRAM traffic overlapped; as measured, with a link of 2.4
        bytes a cycle.
    active_pes : int
    glb_bytes, dram_bytes : int
        Moved to and from the GLB; DRAM traffic, feature maps run-length coded.
    """
    cycles: int
    total_cycles: int
    active_pes: int
    glb_bytes: int
    dram_bytes: int


def _published(batch, rows):
    return {name: Published(round(ms * 1e3 * _MHZ / batch), round(total * 1e3 * _MHZ / batch), pes,
                            round(glb * 1e6 / batch), round(dram * 1e6 / batch))
            for name, ms, total, pes, glb, dram in rows}


# Layer, processing ms, total ms, active PEs, GLB MB, DRAM MB, of a whole batch.
PUBLISHED = {
    "alexnet": _published(4, (
        ("CONV1", 16.5, 20.9, 154, 18.5, 5.0), ("CONV2", 39.2, 41.9, 135, 77.6, 4.0),
        ("CONV3", 21.8, 23.6, 156, 50.2, 3.0), ("CONV4", 16.0, 18.4, 156, 37.4, 2.1),
        ("CONV5", 10.0, 10.5, 156, 24.9, 1.3))),
    "vgg16": _published(3, (
        ("CONV1-1", 38.0, 76.2, 156, 112.6, 15.4), ("CONV1-2", 810.6, 910.3, 156, 2402.8, 54.0),
        ("CONV2-1", 405.3, 470.3, 156, 1201.4, 33.4), ("CONV2-2", 810.8, 894.3, 156, 2402.8, 48.5),
        ("CONV3-1", 204.0, 241.1, 156, 607.4, 20.2), ("CONV3-2", 408.1, 460.9, 156, 1214.8, 32.2),
        ("CONV3-3", 408.1, 457.7, 156, 1214.8, 30.8), ("CONV4-1", 105.1, 135.8, 168, 321.8, 17.8),
        ("CONV4-2", 210.0, 254.8, 168, 643.7, 28.6), ("CONV4-3", 210.0, 246.3, 168, 643.7, 22.8),
        ("CONV5-1", 48.3, 54.3, 168, 90.0, 6.3), ("CONV5-2", 48.5, 53.7, 168, 90.0, 5.7),
        ("CONV5-3", 48.5, 53.7, 168, 90.0, 5.6))),
}

#: Row-stationary mapping of each CONV layer: m ofmap channels kept in the GLB, n ifmaps a pass, e
#: columns of a PE set, p filters and q channels in a PE, r sets on different channels, t on
#: different filters.
MAPPINGS = {
    "alexnet": {
        "CONV1": {"m": 96, "n": 1, "e": 7, "p": 16, "q": 1, "r": 1, "t": 2},
        "CONV2": {"m": 64, "n": 1, "e": 27, "p": 16, "q": 2, "r": 1, "t": 1},
        "CONV3": {"m": 64, "n": 4, "e": 13, "p": 16, "q": 4, "r": 1, "t": 4},
        "CONV4": {"m": 64, "n": 4, "e": 13, "p": 16, "q": 3, "r": 2, "t": 2},
        "CONV5": {"m": 64, "n": 4, "e": 13, "p": 16, "q": 3, "r": 2, "t": 2},
    },
}
