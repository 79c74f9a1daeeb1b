"""The networks: those of Table II of the survey, MobileNets, SqueezeNet, those of MLPerf Tiny.

Refs: V. Sze, Y.-H. Chen, T.-J. Yang, J. Emer, "Efficient Processing of Deep Neural Networks: A
Tutorial and Survey", Proc. IEEE 105(12), 2017, Table II; A. Howard et al., "MobileNets",
arXiv:1704.04861; M. Sandler et al., "MobileNetV2", arXiv:1801.04381; F. Iandola et al.,
"SqueezeNet", arXiv:1602.07360 (its version 1.0, whose shapes need a 227 x 227 input); C. Banbury et
al., "MLPerf Tiny Benchmark", arXiv:2106.07597.
"""

from ...errors import HwgenError
from .layers import Architecture

__all__ = ["NETWORKS", "architecture"]

_CLASSES = 1000
_RELU6_GAIN = 2.0            # ReLU6 saturates at three standard deviations


def architecture(name, *, lrn=False):
    """The :class:`~hwgen.network.zoo.layers.Architecture` of a network.

    Parameters
    ----------
    name : str
        A key of :data:`NETWORKS`.
    lrn : bool
        Whether AlexNet and GoogLeNet keep their local response normalisation.

    Raises
    ------
    HwgenError
        The name is unknown.
    """
    if name not in NETWORKS:
        raise HwgenError(f"network {name!r} is unknown: choose among {', '.join(NETWORKS)}.")
    return NETWORKS[name](name, lrn)


def _lenet5(name, lrn):
    net = Architecture(name, (1, 28, 28))
    x = net.conv(net.input, "conv1", 6, 5)
    x = net.maxpool(x, "pool1", 2)
    x = net.conv(x, "conv2", 16, 5, pad=0)
    x = net.maxpool(x, "pool2", 2)
    x = net.fc(x, "fc3", 120)
    x = net.fc(x, "fc4", 84)
    net.fc(x, "fc5", 10, activation=None)
    return net


def _alexnet(name, lrn):
    net = Architecture(name, (3, 227, 227), lrn=lrn)
    x = net.conv(net.input, "conv1", 96, 11, 4, 0)
    x = net.maxpool(net.lrn(x, "lrn1"), "pool1", 3)
    x = net.conv(x, "conv2", 256, 5, groups=2)
    x = net.maxpool(net.lrn(x, "lrn2"), "pool2", 3)
    x = net.conv(x, "conv3", 384, 3)
    x = net.conv(x, "conv4", 384, 3, groups=2)
    x = net.conv(x, "conv5", 256, 3, groups=2)
    x = net.maxpool(x, "pool5", 3)
    return _classifier(net, x, 4096, 4096)


def _overfeat(name, lrn):
    net = Architecture(name, (3, 231, 231))
    x = net.conv(net.input, "conv1", 96, 11, 4, 0)
    x = net.maxpool(x, "pool1", 2)
    x = net.conv(x, "conv2", 256, 5, pad=0)
    x = net.maxpool(x, "pool2", 2)
    x = net.conv(x, "conv3", 512, 3)
    x = net.conv(x, "conv4", 1024, 3)
    x = net.conv(x, "conv5", 1024, 3)
    x = net.maxpool(x, "pool5", 2)
    return _classifier(net, x, 3072, 4096)


def _vgg16(name, lrn):
    net = Architecture(name, (3, 224, 224))
    x = net.input
    for stage, (m, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for index in range(1, count + 1):
            x = net.conv(x, f"conv{stage}-{index}", m, 3)
        x = net.maxpool(x, f"pool{stage}", 2)
    return _classifier(net, x, 4096, 4096)


def _classifier(net, x, *widths):
    """The three fully connected layers of AlexNet and its heirs."""
    for index, m in enumerate(widths, 6):
        x = net.fc(x, f"fc{index}", m)
    net.fc(x, f"fc{6 + len(widths)}", _CLASSES, activation=None)
    return net


_INCEPTION = {               # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128)}


def _googlenet(name, lrn, ceil=False):
    net = Architecture(name, (3, 224, 224), lrn=lrn)
    x = net.conv(net.input, "conv1", 64, 7, 2)
    x = net.lrn(net.maxpool(x, "pool1", 3, ceil=ceil), "lrn1")
    x = net.conv(x, "conv2-reduce", 64, 1)
    x = net.lrn(net.conv(x, "conv2", 192, 3), "lrn2")
    x = net.maxpool(x, "pool2", 3, ceil=ceil)
    for module, (one, three_reduce, three, five_reduce, five, pool) in _INCEPTION.items():
        if module in ("4a", "5a"):
            x = net.maxpool(x, f"pool{int(module[0]) - 1}", 3, ceil=ceil)
        a = net.conv(x, f"{module}-1x1", one, 1)
        b = net.conv(x, f"{module}-3x3-reduce", three_reduce, 1)
        b = net.conv(b, f"{module}-3x3", three, 3)
        c = net.conv(x, f"{module}-5x5-reduce", five_reduce, 1)
        c = net.conv(c, f"{module}-5x5", five, 5)
        d = net.maxpool(x, f"{module}-pool", 3, 1, 1)
        d = net.conv(d, f"{module}-pool-proj", pool, 1)
        x = net.concat([a, b, c, d], f"{module}-concat")
    net.fc(net.average(x, "pool5"), "fc", _CLASSES, activation=None)
    return net


def _googlenet_caffe(name, lrn):
    return _googlenet(name, lrn, ceil=True)


def _resnet50(name, lrn, stride_in_3x3=False):
    net = Architecture(name, (3, 224, 224))
    x = net.maxpool(net.conv(net.input, "conv1", 64, 7, 2), "pool1", 3, pad=1)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        for block in range(1, blocks + 1):
            at = f"conv{stage}-{block}"
            stride = 2 if block == 1 and stage > 2 else 1
            first, second = (1, stride) if stride_in_3x3 else (stride, 1)
            y = net.conv(x, f"{at}a", width, 1, first)
            y = net.conv(y, f"{at}b", width, 3, second)
            y = net.conv(y, f"{at}c", 4 * width, 1, activation=None)
            if block == 1:
                x = net.conv(x, f"{at}p", 4 * width, 1, stride, activation=None)
            x = net.add(y, x, f"{at}-add", "Relu")
    net.fc(net.average(x, "pool5"), "fc", _CLASSES, activation=None)
    return net


def _resnet50_v1_5(name, lrn):
    return _resnet50(name, lrn, stride_in_3x3=True)


def _mobilenet_v1(name, lrn):
    net = Architecture(name, (3, 224, 224), gain=_RELU6_GAIN)
    x = net.conv(net.input, "conv1", 32, 3, 2, activation="Relu6")
    for index, (m, stride) in enumerate((
            (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
            (512, 1), (512, 1), (1024, 2), (1024, 1)), 2):
        c = x.shape[0]
        x = net.conv(x, f"dw{index}", c, 3, stride, groups=c, activation="Relu6")
        x = net.conv(x, f"pw{index}", m, 1, activation="Relu6")
    net.fc(net.average(x, "pool"), "fc", _CLASSES, activation=None)
    return net


def _mobilenet_v2(name, lrn):
    net = Architecture(name, (3, 224, 224), gain=_RELU6_GAIN)
    x = net.conv(net.input, "conv1", 32, 3, 2, activation="Relu6")
    index = 0
    for expand, m, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                     (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for repeat in range(count):
            index += 1
            u, y = (1 if repeat else stride), x
            if expand > 1:
                y = net.conv(y, f"block{index}-expand", expand * x.shape[0], 1, activation="Relu6")
            c = y.shape[0]
            y = net.conv(y, f"block{index}-dw", c, 3, u, groups=c, activation="Relu6")
            y = net.conv(y, f"block{index}-project", m, 1, activation=None)
            x = net.add(y, x, f"block{index}-add") if y.shape == x.shape else y
    x = net.conv(x, "conv2", 1280, 1, activation="Relu6")
    net.fc(net.average(x, "pool"), "fc", _CLASSES, activation=None)
    return net


def _squeezenet(name, lrn):
    net = Architecture(name, (3, 227, 227))
    x = net.maxpool(net.conv(net.input, "conv1", 96, 7, 2, 0), "pool1", 3)
    for index, (squeeze, expand) in enumerate(((16, 64), (16, 64), (32, 128), (32, 128), (48, 192),
                                               (48, 192), (64, 256), (64, 256)), 2):
        s = net.conv(x, f"fire{index}-squeeze", squeeze, 1)
        x = net.concat([net.conv(s, f"fire{index}-expand1x1", expand, 1),
                        net.conv(s, f"fire{index}-expand3x3", expand, 3)], f"fire{index}-concat")
        if index in (4, 8):
            x = net.maxpool(x, f"pool{index}", 3)
    x = net.conv(x, "conv10", _CLASSES, 1)
    net.flatten(net.average(x, "pool10"), "flatten")
    return net


def _resnet8(name, lrn):
    net = Architecture(name, (3, 32, 32))
    x = net.conv(net.input, "conv1", 16, 3)
    for stage, (width, stride) in enumerate(((16, 1), (32, 2), (64, 2)), 2):
        at = f"conv{stage}"
        y = net.conv(x, f"{at}a", width, 3, stride, "same")
        y = net.conv(y, f"{at}b", width, 3, activation=None)
        if stride > 1:
            x = net.conv(x, f"{at}p", width, 1, stride, activation=None)
        x = net.add(y, x, f"{at}-add", "Relu")
    net.fc(net.average(x, "pool"), "fc", 10, activation=None)
    return net


def _ds_cnn(name, lrn):
    net = Architecture(name, (1, 49, 10))
    x = net.conv(net.input, "conv1", 64, (10, 4), 2, "same")
    for index in range(2, 6):
        x = net.conv(x, f"dw{index}", 64, 3, groups=64)
        x = net.conv(x, f"pw{index}", 64, 1)
    net.fc(net.average(x, "pool"), "fc", 12, activation=None)
    return net


def _vww(name, lrn):
    net = Architecture(name, (3, 96, 96))
    x = net.conv(net.input, "conv1", 8, 3, 2, "same")
    for index, (m, stride) in enumerate((
            (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (128, 1),
            (128, 1), (128, 1), (256, 2), (256, 1)), 2):
        c = x.shape[0]
        x = net.conv(x, f"dw{index}", c, 3, stride, "same", groups=c)
        x = net.conv(x, f"pw{index}", m, 1)
    net.fc(net.average(x, "pool"), "fc", 2, activation=None)
    return net


def _autoencoder(name, lrn):
    """Its input is five frames of 128 frequencies, one after another."""
    net = Architecture(name, (640,), picture=(1, 5, 128))
    x = net.input
    for index, m in enumerate((128, 128, 128, 128, 8, 128, 128, 128, 128), 1):
        x = net.fc(x, f"fc{index}", m)
    net.fc(x, "fc10", 640, activation=None)
    return net


NETWORKS = {
    "lenet5": _lenet5, "alexnet": _alexnet, "overfeat": _overfeat, "vgg16": _vgg16,
    "googlenet": _googlenet, "googlenet-caffe": _googlenet_caffe, "resnet50": _resnet50,
    "resnet50-v1.5": _resnet50_v1_5, "mobilenet-v1": _mobilenet_v1, "mobilenet-v2": _mobilenet_v2,
    "squeezenet": _squeezenet,
    "ic-resnet8": _resnet8, "kws-ds-cnn": _ds_cnn, "vww-mobilenet": _vww,
    "ad-autoencoder": _autoencoder,
}
"""Functions that build the networks, by name.

Two networks of Table II are commonly built in another way too: ``googlenet-caffe`` pools incomplete
windows as Caffe does (28 x 28 in place of 27 x 27), ``resnet50-v1.5`` strides in its 3 x 3
convolutions rather than in the 1 x 1 before. The last four are the reference networks of MLPerf
Tiny."""
