"""The table of layer shapes, against the survey's Table II where shapes are undisputed."""

import pytest

from hwgen.network.shapes import NETWORKS

# CONV layers, weights and MACs (millions), FC layers and MACs: Sze et al., Table II; ResNet-50 with
# its strides in the 3 x 3 convolutions has 4.09 G in place of 3.86 G, MobileNet-v1 from its paper.
TABLE = {
    "alexnet": (5, 2.3, 666, 3, 58.6),
    "overfeat": (5, 16, 2670, 3, 130),
    "vgg16": (13, 14.7, 15300, 3, 124),
    "resnet50": (53, 23.5, 4090, 1, 2),
    "mobilenet-v1": (27, 3.2, 568, 1, 1),
}


@pytest.mark.parametrize("name", TABLE)
def test_table(name):
    conv = [shape for shape in NETWORKS[name] if not shape.fc]
    fc = [shape for shape in NETWORKS[name] if shape.fc]
    layers, weights, macs, fc_layers, fc_macs = TABLE[name]
    assert sum(shape.count for shape in conv) == layers
    held = sum(shape.count * shape.weights for shape in conv) / 1e6
    assert held == pytest.approx(weights, rel=.02)
    assert sum(shape.count * shape.macs for shape in conv) / 1e6 == pytest.approx(macs, rel=.01)
    assert len(fc) == fc_layers
    assert sum(shape.macs for shape in fc) / 1e6 == pytest.approx(fc_macs, rel=.03)


@pytest.mark.parametrize("name", NETWORKS)
def test_names_are_distinct(name):
    names = [shape.name for shape in NETWORKS[name]]
    assert len(names) == len(set(names))


def test_sizes_follow_on():
    shape = NETWORKS["alexnet"][0]
    assert (shape.e, shape.f) == (55, 55)
    assert shape.compulsory_bytes == 96 * 363 + 3 * 227 * 227 + 96 * 55 * 55
