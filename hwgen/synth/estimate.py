"""Resources at once, from a model fitted to synthesised designs.

Logic cells and flip-flops of a block are a sum of terms that its structure gives (so much for
each PE, for each bit of its psum, ...). Their coefficients for ECP5 are fitted by :func:`fit`; on
another family a block takes a constant factor of them. Compact accelerators have terms, and for
each family coefficients, of their own. Multipliers and block RAMs are computed.
"""

import json
import sys
from collections import defaultdict
from importlib import resources
from pathlib import Path

import numpy as np

from ..config import Config
from ..errors import HwgenError
from ..rtl.common.fifo import LARGE
from ..rtl.microcoded import firmware
from ..rtl.parallel.dma import fetch_beats
from .flow import Result
from .resources import BLOCKS, WRAPPER
from .targets import RESOURCES, TARGETS

__all__ = ["estimate", "fit", "refuse"]

_MODEL = "model.json"
_REFERENCE = "ecp5"
_FITTED = ("logic_cells", "ff")

# By how much a PE with its multiplier in logic exceeds one with a multiplier block, which on iCE40
# takes in the registers about it.
_LOGIC_MULTIPLIER = {"ecp5": {"logic_cells": 170, "ff": 0}, "ice40": {"logic_cells": 214, "ff": 34}}

# How far the estimate may be off: what exceeds a device by more cannot fit.
_MARGIN = 0.10

# Words and bits of the shapes that one block RAM takes, and up to how many words small RAM takes a
# memory instead, by family, if it has up to _SMALL_BITS. Registers take those of up to
# _REGISTER_BITS.
_REGISTER_BITS = 64
_SMALL_BITS = 4096
_LARGE = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
_SHAPES = {
    "ecp5": (_LARGE, 64), "gowin": (_LARGE, 64), "xc7": (_LARGE, 64),
    "ice40": (((256, 16), (512, 8), (1024, 4), (2048, 2)), 0),
}
_CSR_MEMORIES = ((1, 65, 48),)          # marked as block RAM
_BLOCKS = tuple(block for block in BLOCKS if block != WRAPPER)


def _terms(config):
    """``{block: terms}``: what the block's size is proportional to."""
    if config.compact:
        pes = config.rows * config.cols
        return dict.fromkeys(_BLOCKS, (1,)) | {
            "PEs": (pes,), "array rows": (1, pes, config.cols * config.psum_bits), "NoC": (1, pes)}
    rows, cols, lanes, bus = config.rows, config.cols, config.lanes, config.bus_bytes
    pes, chunk = rows * cols, config.xbus_bytes
    rams = -(-config.ifmap_spad // chunk // 16) * -(-9 * chunk // 4)    # of 16 words of 4 bits
    return {
        "PEs": (pes, pes * config.psum_bits, pes * rams, pes * (chunk - 1)),
        "array rows": (rows, rows * cols, rows * bus),
        "NoC": (1, rows, bus),
        "GLB": (1, cols * lanes),
        "output stage": (1, lanes),
        "loader": (1, bus),
        "DMA": (1, bus),
        "controller": (1, bus),
        "CSRs": (1,),
        "wiring": (1, bus),
    }


def _tiles(depth, width, family):
    """Block RAMs of a memory of ``depth`` words of ``width`` bits; 0 if it is too small for one."""
    shapes, small = _SHAPES[family]
    if depth <= small and depth * width <= _SMALL_BITS or depth * width <= _REGISTER_BITS:
        return 0
    return min(-(-depth // words) * -(-width // bits) for words, bits in shapes)


def _block_rams(config, family):
    """``{block: block RAMs}``."""
    memories = _compact_memories(config) if config.compact else _memories(config)
    if config.compact and family != "ice40":        # which has RAM of its own for it
        memories["GLB"] = ((1, 256 * config.glb_kib, 32),)
    return {block: sum(count * _tiles(words, bits, family) for count, words, bits in entries)
            for block, entries in memories.items()}


def _compact_memories(config):
    """As :func:`_memories`, without the GLB."""
    pes = config.rows * config.cols
    code, registers = firmware.build(config).words()
    return {
        "PEs": ((pes, 8 * -(-config.filter_spad // 4), 8), (pes, config.ifmap_spad, 9)),
        "controller": ((1, len(code), 16), (1, len(registers), 16)),
        "CSRs": _CSR_MEMORIES,
    }


def _memories(config):
    """``{block: memories}``, of each how many there are, its words, and their bits."""
    chunk, bus = config.xbus_bytes, config.bus_bits
    block = 2 * config.burst * 9 * config.bus_bytes >= LARGE            # marked as block RAM
    return {
        "PEs": ((config.rows * config.cols, 2 * config.filter_spad, 8),
                (config.rows * config.cols, config.ifmap_spad // chunk, 9 * chunk)),
        "array rows": ((config.rows, 16, bus + 1), (config.rows, 16, 9 * config.bus_bytes + 4)),
        "GLB": ((config.cols, config.bank_depth, config.bank_bits), (1, 8, 79)),
        "output stage": (*((2, words, 32) for words in config.param_words),
                         (1, 32, 9 * config.lanes)),
        "DMA": ((2, max(128, 2 * config.burst), bus + 1),
                (1, 2 * fetch_beats(config), bus + 1), (1, 8, 32), (1, 16, 34),
                (1, max(2 * config.burst, 65 if block else 1), 9 * config.bus_bytes)),
        "controller": ((1, 128, 64),),
        "CSRs": _CSR_MEMORIES,
    }


def _logic_multipliers(config, target):
    """PEs that find no multiplier block."""
    if not target.logic_multipliers:
        return 0
    return max(config.rows * config.cols - target.array_dsps(config), 0)


def _model():
    text = resources.files(__package__).joinpath(_MODEL).read_text()
    return json.loads(text)


def _fitted(model, config, target):
    """Whether the model has designs of that kind on the target's family."""
    return target.family in model["compact" if config.compact else "factors"]


def estimate(config, target):
    """The :class:`~hwgen.synth.flow.Result` that synthesis would find, without memories.

    Raises :exc:`HwgenError` for a target without a model.
    """
    model = _model()
    if not _fitted(model, config, target):
        raise HwgenError(f"--estimate: there is no model of {'compact ' * config.compact}"
                         f"accelerators on {target.name}; leave it out.")
    if config.compact:
        coefficients, factors = model["compact"][target.family], {}
    else:
        coefficients, factors = model["coefficients"], model["factors"][target.family]
    amounts = defaultdict(lambda: dict.fromkeys(RESOURCES, 0))
    for block, terms in _terms(config).items():
        for resource in _FITTED:
            cells = float(np.dot(coefficients[resource][block], terms))
            amounts[block][resource] = round(
                max(cells, 0) * factors.get(resource, {}).get(block, 1))
    if target.family != "gates":
        for block, count in _block_rams(config, target.family).items():
            amounts[block]["bram"] = count
        without = _logic_multipliers(config, target)
        amounts["PEs"]["dsp"] = config.rows * config.cols - without
        for resource, amount in _LOGIC_MULTIPLIER.get(target.family, {}).items():
            amounts["PEs"][resource] += amount * without
        amounts["output stage"]["dsp"] = target.output_dsps(config)
    by_block = {block: amounts[block] for block in BLOCKS if block in amounts}
    total = {resource: sum(row[resource] for row in by_block.values()) for resource in RESOURCES}
    return Result(total, by_block, [], tools=["estimated"])


def refuse(config, target):
    """Refuse a design that the device cannot hold, in a sentence with needs and capacities."""
    if target.capacity is None or not _fitted(_model(), config, target):
        return
    total = estimate(config, target).total
    allowed = {resource: 1 + _MARGIN if resource in _FITTED else 1 for resource in RESOURCES}
    if any(total[name] > target.capacity[name] * allowed[name] for name in RESOURCES):
        needs = ", ".join(f"{total[name]:,} of {target.capacity[name]:,} {target.units[name]}"
                          for name in RESOURCES)
        raise HwgenError(f"{config.rows}x{config.cols} PEs with {config.glb_kib} KiB of GLB cannot "
                         f"fit {target.title}: they need about {needs}; choose a smaller array or "
                         f"GLB, or a larger device.")


def _solve(rows, values):
    """Least squares without negative coefficients: terms that would get one are left out."""
    rows, values = np.array(rows, float), np.array(values, float)
    used = list(range(rows.shape[1]))
    while True:
        solution = np.linalg.lstsq(rows[:, used], values, rcond=None)[0]
        if (solution >= 0).all() or len(used) == 1:
            break
        used.pop(int(solution.argmin()))
    result = np.zeros(rows.shape[1])
    result[used] = np.maximum(solution, 0)
    return [round(float(value), 4) for value in result]


def fit(reports):
    """The model that fits what ``hwgen synth --json`` wrote of some designs.

    Of compact accelerators and of others it has what there are designs of.
    """
    compact, others = defaultdict(list), []
    for report in reports:
        target, config = TARGETS[report["target"]], Config(**report["parameters"])
        blocks = {block: dict(row) for block, row in report["by_block"].items()}
        for resource, amount in _LOGIC_MULTIPLIER.get(target.family, {}).items():
            blocks["PEs"][resource] -= amount * _logic_multipliers(config, target)
        if config.compact:
            compact[target.family].append((_terms(config), blocks))
        else:
            others.append((target.family, config, blocks))
    model = {}
    if others:
        model |= _fit_reference(others)
    if compact:
        model["compact"] = {family: {resource: _coefficients(designs, resource)
                                     for resource in _FITTED}
                            for family, designs in compact.items()}
    return model


def _coefficients(designs, resource):
    """``{block: coefficients}`` of the terms of designs, pairs of terms and cells by block."""
    return {block: _solve([terms[block] for terms, _ in designs],
                          [blocks.get(block, {}).get(resource, 0) for _, blocks in designs])
            for block in _BLOCKS}


def _fit_reference(designs):
    """Coefficients of the designs on the reference family, factors of the other families."""
    model = {"coefficients": {}, "factors": defaultdict(dict)}
    for resource in _FITTED:
        chosen = [(_terms(config), blocks) for family, config, blocks in designs
                  if family == _REFERENCE]
        model["coefficients"][resource] = _coefficients(chosen, resource)
        for family in dict.fromkeys(family for family, _, _ in designs):
            found, expected = defaultdict(float), defaultdict(float)
            for other, config, blocks in designs:
                if other == family:
                    for block, terms in _terms(config).items():
                        found[block] += blocks.get(block, {}).get(resource, 0)
                        expected[block] += float(
                            np.dot(model["coefficients"][resource][block], terms))
            model["factors"][family][resource] = {
                block: 1 if family == _REFERENCE else round(found[block] / expected[block], 4)
                for block in found if expected[block]}
    return model


if __name__ == "__main__":
    fitted = _model() | fit([json.loads(Path(name).read_text()) for name in sys.argv[1:]])
    Path(__file__).with_name(_MODEL).write_text(json.dumps(fitted, indent=1) + "\n")
