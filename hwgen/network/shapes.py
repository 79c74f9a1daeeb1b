"""Layer shapes of the networks that accelerators are compared on.

The networks of Table II of V. Sze, Y.-H. Chen, T.-J. Yang, J. Emer, "Efficient Processing of Deep
Neural Networks: A Tutorial and Survey", Proc. IEEE 105(12), 2017, and MobileNet-v1 (A. Howard et
al., arXiv:1704.04861). ResNet-50 strides in its 3 x 3 convolutions, as today's frameworks have it
(4.09 G MACs in CONV layers; the original strides in the 1 x 1 before: 3.86 G). And the four
reference networks of MLPerf Tiny (C. Banbury et al., "MLPerf Tiny Benchmark", arXiv:2106.07597).
"""

from dataclasses import dataclass, replace

__all__ = ["LayerShape", "NETWORKS", "same_pads"]


def same_pads(size, kernel, stride):
    """``(before, after)``: the padding that TensorFlow calls SAME, for ceil(size / stride) outputs;
    an odd one goes to the end."""
    pads = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return pads // 2, pads - pads // 2


@dataclass(frozen=True)
class LayerShape:
    """One layer: M filters, C channels, H x W input, R x S filter, stride U, G groups.

    ``pads`` are rows and columns of padding: above, left, below, right. A fully connected layer has
    H = R and W = S. ``count`` is how often the shape occurs in the network.
    """
    name: str
    c: int
    h: int
    w: int
    m: int
    r: int
    s: int
    u: int = 1
    pads: tuple = (0, 0, 0, 0)
    groups: int = 1
    count: int = 1
    fc: bool = False

    @property
    def e(self):
        """Output rows E."""
        return (self.h + self.pads[0] + self.pads[2] - self.r) // self.u + 1

    @property
    def f(self):
        """Output columns F."""
        return (self.w + self.pads[1] + self.pads[3] - self.s) // self.u + 1

    @property
    def weights(self):
        """Weights of one layer of this shape."""
        return self.m * self.c // self.groups * self.r * self.s

    @property
    def macs(self):
        """Multiply-accumulates of one layer of this shape, padding included."""
        return self.weights * self.e * self.f

    @property
    def compulsory_bytes(self):
        """Weights, input and output, each moved once, a byte each."""
        return self.weights + self.c * self.h * self.w + self.m * self.e * self.f


def _conv(name, c, size, m, kernel, u=1, pad=None, groups=1, count=1):
    pad = kernel // 2 if pad is None else pad
    return LayerShape(name, c, size, size, m, kernel, kernel, u, (pad,) * 4, groups, count)


def _same(name, c, h, w, m, r, s, u=1, groups=1, count=1):
    pads = zip(same_pads(h, r, u), same_pads(w, s, u), strict=True)
    return LayerShape(name, c, h, w, m, r, s, u, tuple(pad for side in pads for pad in side),
                      groups, count)


def _fc(name, c, m, size=1):
    return LayerShape(name, c, size, size, m, size, size, fc=True)


def _resnet50():
    layers = [_conv("CONV1", 3, 224, 64, 7, 2, 3)]
    channels, size = 64, 56
    for stage, (width, blocks, u) in enumerate(((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)),
                                               2):
        out = 4 * width
        layers += [_conv(f"CONV{stage}-1a", channels, size, width, 1),
                   _conv(f"CONV{stage}-1b", width, size, width, 3, u),
                   _conv(f"CONV{stage}-1p", channels, size, out, 1, u)]
        size //= u
        layers += [_conv(f"CONV{stage}-c", width, size, out, 1, count=blocks),
                   _conv(f"CONV{stage}-a", out, size, width, 1, count=blocks - 1),
                   _conv(f"CONV{stage}-b", width, size, width, 3, count=blocks - 1)]
        channels = out
    return [*layers, _fc("FC", 2048, 1000)]


def _mobilenet():
    layers = [_conv("CONV1", 3, 224, 32, 3, 2, 1)]
    size, channels = 112, 32
    for index, (m, u, count) in enumerate((
            (64, 1, 1), (128, 2, 1), (128, 1, 1), (256, 2, 1), (256, 1, 1), (512, 2, 1),
            (512, 1, 5), (1024, 2, 1), (1024, 1, 1)), 2):
        layers.append(_conv(f"DW{index}", channels, size, channels, 3, u, 1, channels, count))
        size //= u
        layers.append(_conv(f"PW{index}", channels, size, m, 1, count=count))
        channels = m
    return [*layers, _fc("FC", 1024, 1000)]


def _vgg16():
    layers, channels, size = [], 3, 224
    for stage, (m, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for index in range(1, count + 1):
            layers.append(_conv(f"CONV{stage}-{index}", channels, size, m, 3))
            channels = m
        size //= 2
    return [*layers, _fc("FC6", 512, 4096, 7), _fc("FC7", 4096, 4096), _fc("FC8", 4096, 1000)]


def _googlenet():
    layers = [_conv("CONV1", 3, 224, 64, 7, 2, 3), _conv("CONV2-reduce", 64, 56, 64, 1),
              _conv("CONV2", 64, 56, 192, 3)]
    modules = (("3a", 192, 28, 64, 96, 128, 16, 32, 32), ("3b", 256, 28, 128, 128, 192, 32, 96, 64),
               ("4a", 480, 14, 192, 96, 208, 16, 48, 64),
               ("4b", 512, 14, 160, 112, 224, 24, 64, 64),
               ("4c", 512, 14, 128, 128, 256, 24, 64, 64),
               ("4d", 512, 14, 112, 144, 288, 32, 64, 64),
               ("4e", 528, 14, 256, 160, 320, 32, 128, 128),
               ("5a", 832, 7, 256, 160, 320, 32, 128, 128),
               ("5b", 832, 7, 384, 192, 384, 48, 128, 128))
    for name, c, size, one, three_reduce, three, five_reduce, five, pool in modules:
        layers += [_conv(f"{name}-1x1", c, size, one, 1),
                   _conv(f"{name}-3x3-reduce", c, size, three_reduce, 1),
                   _conv(f"{name}-3x3", three_reduce, size, three, 3),
                   _conv(f"{name}-5x5-reduce", c, size, five_reduce, 1),
                   _conv(f"{name}-5x5", five_reduce, size, five, 5),
                   _conv(f"{name}-pool", c, size, pool, 1)]
    return [*layers, _fc("FC", 1024, 1000)]


def _resnet8():
    layers = [_same("CONV1", 3, 32, 32, 16, 3, 3)]
    channels, size = 16, 32
    for stage, (width, u) in enumerate(((16, 1), (32, 2), (64, 2)), 2):
        layers.append(_same(f"CONV{stage}a", channels, size, size, width, 3, 3, u))
        if u > 1:
            layers.append(_same(f"CONV{stage}p", channels, size, size, width, 1, 1, u))
        channels, size = width, size // u
        layers.append(_same(f"CONV{stage}b", width, size, size, width, 3, 3))
    return [*layers, _fc("FC", 64, 10)]


def _ds_cnn():
    return [_same("CONV1", 1, 49, 10, 64, 10, 4, 2),
            _same("DW", 64, 25, 5, 64, 3, 3, groups=64, count=4),
            _same("PW", 64, 25, 5, 64, 1, 1, count=4), _fc("FC", 64, 12)]


def _vww():
    layers, size, channels = [_same("CONV1", 3, 96, 96, 8, 3, 3, 2)], 48, 8
    for index, (m, u, count) in enumerate((
            (16, 1, 1), (32, 2, 1), (32, 1, 1), (64, 2, 1), (64, 1, 1), (128, 2, 1), (128, 1, 5),
            (256, 2, 1), (256, 1, 1)), 2):
        layers.append(_same(f"DW{index}", channels, size, size, channels, 3, 3, u, channels, count))
        size //= u
        layers.append(_same(f"PW{index}", channels, size, size, m, 1, 1, count=count))
        channels = m
    return [*layers, _fc("FC", 256, 2)]


def _autoencoder():
    return [_fc("FC1", 640, 128), replace(_fc("FC2", 128, 128), count=3), _fc("FC5", 128, 8),
            _fc("FC6", 8, 128), replace(_fc("FC7", 128, 128), count=3), _fc("FC10", 128, 640)]


NETWORKS = {
    "lenet5": [_conv("CONV1", 1, 28, 6, 5, pad=0), _conv("CONV2", 6, 12, 16, 5, pad=0),
               _fc("FC3", 16, 120, 4), _fc("FC4", 120, 84), _fc("FC5", 84, 10)],
    "alexnet": [_conv("CONV1", 3, 227, 96, 11, 4, 0), _conv("CONV2", 96, 27, 256, 5, groups=2),
                _conv("CONV3", 256, 13, 384, 3), _conv("CONV4", 384, 13, 384, 3, groups=2),
                _conv("CONV5", 384, 13, 256, 3, groups=2),
                _fc("FC6", 256, 4096, 6), _fc("FC7", 4096, 4096), _fc("FC8", 4096, 1000)],
    "overfeat": [_conv("CONV1", 3, 231, 96, 11, 4, 0), _conv("CONV2", 96, 28, 256, 5, pad=0),
                 _conv("CONV3", 256, 12, 512, 3), _conv("CONV4", 512, 12, 1024, 3),
                 _conv("CONV5", 1024, 12, 1024, 3),
                 _fc("FC6", 1024, 3072, 6), _fc("FC7", 3072, 4096), _fc("FC8", 4096, 1000)],
    "vgg16": _vgg16(),
    "googlenet": _googlenet(),
    "resnet50": _resnet50(),
    "mobilenet-v1": _mobilenet(),
    "ic-resnet8": _resnet8(),
    "kws-ds-cnn": _ds_cnn(),
    "vww-mobilenet": _vww(),
    "ad-autoencoder": _autoencoder(),
}
