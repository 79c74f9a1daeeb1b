"""A compiled network as a C header, for the driver that ``hwgen build`` writes."""

import re

import numpy as np

from ..isa.registers import LIMIT_UNIT
from ..network.graph import Host

__all__ = ["c_header"]


def _string(text):
    """A C string literal."""
    return '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}"
                         for byte in text.encode()) + '"'


def _comment(text):
    return "/* " + re.sub(r"[^ -~]", "?", text).replace("*/", "* /").replace("/*", "/ *") + " */"


def _identifiers(prefix, names):
    """A C identifier for each name, all different."""
    found = []
    for name in names:
        stem = identifier = f"{prefix}_{re.sub('[^0-9A-Za-z]', '_', name)}".upper()
        count = 1
        while identifier in found:
            count += 1
            identifier = f"{stem}_{count}"
        found.append(identifier)
    return found


def _enum(identifiers, last):
    return ["enum {", *(f"    {name}," for name in identifiers), f"    {last}", "};"]


def _tensor(place, tensor, host):
    channels, height, width = place.shape
    numbers = (place.offset, channels, height, width, place.dram_channels, place.row_stride,
               place.group_stride, place.dtype.itemsize)
    flags = (place.dtype.kind == "i", host)
    return (f"    {{{_string(place.name)}, {', '.join(map(str, numbers))}, "
            f"{', '.join(str(flag).lower() for flag in flags)}, {int(tensor.zero_point)}, "
            f"{float(np.float32(tensor.scale))!r}f}},")


def _steps(network, program):
    """The segments in order, with the host's parts between them as comments."""
    runs = {run[0].offset: run for run in program.runs}
    following = iter([*program.segments, None])
    segment = next(following)
    for layer in network.layers:
        if isinstance(layer, Host):
            ends = f"{', '.join(layer.inputs)} -> {', '.join(layer.outputs)}"
            yield "    " + _comment(f"On the host, {layer.name}: {ends}")
        while segment is not None and segment.layers[0] is layer:
            if not segment.joined:
                limit = -(-program.limit(runs[segment.offset]) // LIMIT_UNIT)
                yield f"    {{{_string(segment.name)}, {segment.offset}, {limit}}},"
            segment = next(following)


def c_header(network, program, image):
    """The text of the header: tensors and programs as tables, their places in them as enumerations.

    Every name begins with the network's, so that several headers go together.

    Parameters
    ----------
    network : Network
    program : Program
    image : str
        Name of the image's file.
    """
    name = re.sub("[^0-9a-z]", "_", network.name.lower())
    name = name if name[:1].isalpha() else f"net_{name}"
    tensors = {}
    for layer in network.layers:
        if not isinstance(layer, Host):
            for tensor in (*layer.inputs, layer.y):
                tensors.setdefault(tensor.name, tensor)
    made = {layer.y.name for layer in network.layers if not isinstance(layer, Host)}
    made |= network.constants.keys()
    places = program.tensors.values()
    segments = [segment for segment in program.segments if not segment.joined]
    lines = [
        _comment(f"{network.name} on {program.config.name}: see hwgen.h. Generated."), "",
        f"#ifndef HWGEN_PROGRAM_{name.upper()}_H", f"#define HWGEN_PROGRAM_{name.upper()}_H", "",
        '#include "hwgen.h"']
    if places:
        lines += ["", "/* Tensors. */",
                  *_enum(_identifiers(f"{name}_tensor", program.tensors),
                         f"{name.upper()}_TENSORS"),
                  f"static const struct hwgen_tensor {name}_tensors[] = {{",
                  *(_tensor(place, tensors[place.name], place.name not in made)
                    for place in places), "};"]
    if segments:
        lines += ["", "/* Programs, in the order in which they are to run. */",
                  *_enum(_identifiers(f"{name}_run", [segment.name for segment in segments]),
                         f"{name.upper()}_RUNS"),
                  f"static const struct hwgen_segment {name}_segments[] = {{",
                  *_steps(network, program), "};"]
    lines += ["", f"static const struct hwgen_program {name}_program = {{",
              f"    .name = {_string(network.name)},",
              f"    .config_hash = 0x{program.config.hash:08X}u,",
              f"    .image_bytes = {len(program.image)}, {_comment(image)}",
              f"    .memory_bytes = {program.memory_bytes}u,"]
    if places:
        lines += [f"    .tensors = {name}_tensors,", f"    .tensor_count = {len(places)},"]
    if segments:
        lines += [f"    .segments = {name}_segments,", f"    .segment_count = {len(segments)},"]
    return "\n".join([*lines, "};", "", "#endif", ""])
