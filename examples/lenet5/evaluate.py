"""Counts the test digits that the quantised LeNet-5 recognises, computed by ONNX Runtime.

    python examples/lenet5/evaluate.py
"""

from pathlib import Path

import numpy as np

from hwgen.model.session import session

HERE = Path(__file__).parent


def main():
    with np.load(HERE / "test_digits.npz") as data:
        images, labels = data["images"], data["labels"]
    lenet5 = session((HERE / "lenet5.onnx").read_bytes())
    answers = [lenet5.run(None, {"image": image[None, None] / np.float32(255)})[0].argmax()
               for image in images]
    print(f"int8 accuracy in ONNX Runtime: {np.sum(answers == labels)} of {len(labels)}")


if __name__ == "__main__":
    main()
