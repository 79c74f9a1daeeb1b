"""Published figures of the Eyeriss chip, to be compared with on the same layers.

Source: Y.-H. Chen, T. Krishna, J. Emer, V. Sze, "Eyeriss: An Energy-Efficient Reconfigurable
Accelerator for Deep Convolutional Neural Networks", IEEE JSSC 52(1), 2017, tables III, V and VI.
Energies: V. Sze, Y.-H. Chen, T.-J. Yang, J. Emer, "Efficient Processing of Deep Neural Networks: A
Tutorial and Survey", Proc. IEEE 105(12), 2017, figure 22.
"""

__all__ = ["ENERGY", "CYCLES", "MAPPINGS"]

#: Normalised energy of a MAC or one spad access, a NoC transfer, a GLB and a DRAM access.
ENERGY = {"spad": 1, "noc": 2, "glb": 6, "dram": 200}

_MHZ = 200


def _cycles(batch, **milliseconds):
    return {name.replace("_", "-"): round(ms * 1e3 * _MHZ / batch)
            for name, ms in milliseconds.items()}


#: Cycles an image of each CONV layer, processing only (DRAM traffic overlapped).
CYCLES = {
    "alexnet": _cycles(4, CONV1=16.5, CONV2=39.2, CONV3=21.8, CONV4=16.0, CONV5=10.0),
    "vgg16": _cycles(3, CONV1_1=38.0, CONV1_2=810.6, CONV2_1=405.3, CONV2_2=810.8, CONV3_1=204.0,
                     CONV3_2=408.1, CONV3_3=408.1, CONV4_1=105.1, CONV4_2=210.0, CONV4_3=210.0,
                     CONV5_1=48.3, CONV5_2=48.5, CONV5_3=48.5),
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
