"""Counts the test digits that the quantised LeNet-5 recognises, in ONNX Runtime or on the RTL.

    python examples/lenet5/evaluate.py [--rtl COUNT] [--pe RxC]

With ``--rtl`` the first COUNT test digits also go through the simulated accelerator, and every
tensor of each is compared with ONNX Runtime's and the golden model's.
"""

from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import track

import hwgen
from hwgen.network.ort_session import session

HERE = Path(__file__).parent


def on_rtl(model, images, labels, pe):
    """Run every digit on the RTL; returns ``(correct, differing values, cycles)``."""
    compiled = hwgen.compile(hwgen.load(model), hwgen.configuration(pe))
    correct = differing = cycles = 0
    for image, label in track(list(zip(images, labels, strict=True)), "digits on the RTL",
                              console=Console(stderr=True)):
        report = hwgen.run(compiled, image[None, None] / np.float32(255))
        correct += int(report.outputs["logits"].argmax() == label)
        differing += report.mismatches
        cycles += report.cycles
    return correct, differing, cycles


@click.command()
@click.option("--rtl", "count", type=click.IntRange(1, 1000), metavar="COUNT",
              help="Digits that go through the RTL.")
@click.option("--pe", default="12x14", show_default=True, metavar="RxC",
              help="Shape of the PE array.")
def main(count, pe):
    """Count the test digits that the quantised LeNet-5 recognises."""
    with np.load(HERE / "test_digits.npz") as data:
        images, labels = data["images"], data["labels"]
    model = (HERE / "lenet5.onnx").read_bytes()
    lenet5 = session(model)
    answers = np.array([lenet5.run(None, {"image": image[None, None] / np.float32(255)})[0].argmax()
                        for image in images])
    print(f"int8 accuracy in ONNX Runtime: {np.sum(answers == labels)} of {len(labels)}")
    if count is None:
        return
    # The test set is sorted by class: take digits from all over it.
    chosen = np.random.default_rng(1).permutation(len(images))[:count]
    correct, differing, cycles = on_rtl(model, images[chosen], labels[chosen], pe)
    print(f"int8 accuracy on the RTL ({pe}): {correct} of {count}; differing values in all "
          f"tensors: {differing}; {cycles / count:,.0f} cycles a digit")
    raise SystemExit(1 if differing else 0)


if __name__ == "__main__":
    main()
