"""The LeNet-5 example: every tensor of every test digit, and the accuracy its README states."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwgen.importer import onnx_import
from hwgen.importer.reference import Reference
from hwgen.network import golden
from hwgen.network.graph import Conv

LENET5 = Path(__file__).parents[2] / "examples" / "lenet5"


@pytest.fixture(scope="module")
def digits():
    with np.load(LENET5 / "test_digits.npz") as data:
        return data["images"], data["labels"]


def test_every_tensor_of_every_test_digit(digits):
    images, labels = digits
    network = onnx_import.load(LENET5 / "lenet5.onnx")
    reference = Reference(LENET5 / "lenet5.onnx", network)
    correct = 0
    for image, label in zip(images, labels, strict=True):
        inputs = {"image": image[None, None] / np.float32(255)}
        values = golden.run(network, inputs)
        expected = reference.run(inputs)
        assert len(expected) == 9
        for name, value in expected.items():
            np.testing.assert_array_equal(values[name], value, name, strict=True)
        correct += int(values["logits"].argmax() == label)
    readme = (LENET5 / "README.md").read_text()
    stated = re.search(r"int8 in ONNX Runtime \|[^|]*\| (\d+) of 1000", readme)
    assert correct == int(stated[1])


def test_layers():
    network = onnx_import.load(LENET5 / "lenet5.onnx")
    layers = [layer for layer in network.layers if isinstance(layer, Conv)]
    assert [layer.name for layer in layers] == ["conv1", "conv2", "fc3", "fc4", "fc5"]
    assert [layer.weight.shape for layer in layers] == [
        (6, 1, 5, 5), (16, 6, 5, 5), (120, 400, 1, 1), (84, 120, 1, 1), (10, 84, 1, 1)]
    assert sum(layer.macs for layer in layers) == 416520


def test_test_set_is_stratified_and_digits_come_from_it(digits):
    images, labels = digits
    assert images.shape == (1000, 28, 28) and images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [100] * 10
    for digit in range(10):
        image = np.asarray(Image.open(LENET5 / "digits" / f"{digit}.png"))
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, images[labels == digit][0])
