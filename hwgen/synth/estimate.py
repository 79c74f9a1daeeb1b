"""Resources at once, from a model fitted to synthesised designs.

Logic cells and flip-flops of a block are a sum of terms that its structure gives (so much for
each PE, for each bit of its psum, ...), see :class:`~hwgen.machines.base.Synthesis`. Their
coefficients are fitted by :func:`fit`: for each family, or for the machine's reference family, of
which a block takes a constant factor on the others. Multipliers and block RAMs are computed.
"""

import functools
import json
import sys
import tomllib
from collections import defaultdict
from importlib import resources
from pathlib import Path

import numpy as np

from ..config import Config
from ..errors import HwgenError
from ..machines import machine_of, machines
from .flow import Result
from .resources import BLOCKS, WRAPPER
from .targets import RESOURCES, TARGETS

__all__ = ["clock", "estimate", "fit", "refuse"]

_MODEL = "model.json"
_CLOCKS = "clocks.toml"
_FITTED = ("logic_cells", "ff")

# How far the estimate may be off: what exceeds a device by more cannot fit.
_MARGIN = 0.10

# Registers take memories of up to so many bits; small RAM takes those of up to so many, if the
# family's has enough words.
_REGISTER_BITS = 64
_SMALL_BITS = 4096
_CSR_MEMORIES = ((1, 65, 48),)          # marked as block RAM
_BLOCKS = tuple(block for block in BLOCKS if block != WRAPPER)


def _tiles(depth, width, family):
    """Block RAMs of a memory of ``depth`` words of ``width`` bits; 0 if it is too small for one."""
    size = depth * width
    if size <= _REGISTER_BITS or size <= _SMALL_BITS and depth <= family.small_words:
        return 0
    return min(-(-depth // words) * -(-width // bits) for words, bits in family.block_rams)


def _block_rams(config, target):
    """``{block: block RAMs}``."""
    synthesis = machine_of(config).synthesis
    memories = synthesis.memories(config) | {"CSRs": _CSR_MEMORIES}
    if synthesis.single_port_glb and target.single_port_ram:
        del memories["GLB"]
    return {block: sum(count * _tiles(words, bits, target.family) for count, words, bits in entries)
            for block, entries in memories.items()}


def _model():
    text = resources.files(__package__).joinpath(_MODEL).read_text()
    return json.loads(text)


def _fitted(model, config, family):
    """Coefficients of the machine's terms and, by resource and block, what they are multiplied by
    on a family; None if there are no designs of that machine on it."""
    designs = model.get(config.machine, {})
    if family in designs.get("coefficients", ()):
        return designs["coefficients"][family], {}
    if family in designs.get("factors", ()):
        reference = machine_of(config).synthesis.reference
        return designs["coefficients"][reference], designs["factors"][family]
    return None


def estimate(config, target):
    """The :class:`~hwgen.synth.flow.Result` that synthesis would find, without memories.

    Raises :exc:`HwgenError` for a target without a model.
    """
    fitted = _fitted(_model(), config, target.family.name)
    if fitted is None:
        raise HwgenError(f"--estimate: there is no model of {config.machine} accelerators on "
                         f"{target.name}; leave it out.")
    coefficients, factors = fitted
    amounts = defaultdict(lambda: dict.fromkeys(RESOURCES, 0))
    for block, terms in machine_of(config).synthesis.terms(config).items():
        for resource in _FITTED:
            cells = float(np.dot(coefficients[resource][block], terms))
            amounts[block][resource] = round(
                max(cells, 0) * factors.get(resource, {}).get(block, 1))
    if target.family.device:
        for block, count in _block_rams(config, target).items():
            amounts[block]["bram"] = count
        without = target.logic_multipliers(config)
        amounts["PEs"]["dsp"] = config.rows * config.cols - without
        for resource, amount in target.family.logic_multiplier.items():
            amounts["PEs"][resource] += amount * without
        amounts["output stage"]["dsp"] = target.output_dsps(config)
    by_block = {block: amounts[block] for block in BLOCKS if block in amounts}
    total = {resource: sum(row[resource] for row in by_block.values()) for resource in RESOURCES}
    return Result(total, by_block, [], tools=["estimated"])


@functools.cache
def _clocks():
    return tomllib.loads(resources.files(__package__).joinpath(_CLOCKS).read_text())


def clock(config, target):
    """The clock to expect, in MHz: that of routed designs of the machine on the target's family,
    which falls with the logarithm of the PEs; the configuration's own where nothing was routed.

    The points are few (clocks.toml): within 4 MHz of them, more for what is far from them.
    """
    routed = [(np.log2(row["pes"]), row["mhz"]) for row in _clocks().get(target.family.name, ())
              if row["machine"] == config.machine]
    if not routed:
        return float(config.clock_mhz)
    pes, mhz = zip(*routed, strict=True)
    line = np.polyfit(pes, mhz, min(len(routed) - 1, 1))
    return round(float(np.polyval(line, np.log2(config.rows * config.cols))), 1)


def refuse(config, target):
    """Refuse a design that the device cannot hold, in a sentence with needs and capacities."""
    units = target.family.units
    if target.capacity is None or _fitted(_model(), config, target.family.name) is None:
        return
    total = estimate(config, target).total
    allowed = {resource: 1 + _MARGIN if resource in _FITTED else 1 for resource in RESOURCES}
    if any(total[name] > target.capacity[name] * allowed[name] for name in RESOURCES):
        needs = ", ".join(f"{total[name]:,} of {target.capacity[name]:,} {units[name]}"
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

    Of each machine it has what there are designs of: ``coefficients`` by family, and ``factors`` of
    the families that take those of the machine's reference.
    """
    found = defaultdict(lambda: defaultdict(list))
    for report in reports:
        target, config = TARGETS[report["target"]], Config(**report["parameters"])
        blocks = {block: dict(row) for block, row in report["by_block"].items()}
        for resource, amount in target.family.logic_multiplier.items():
            blocks["PEs"][resource] -= amount * target.logic_multipliers(config)
        synthesis = machine_of(config).synthesis
        found[config.machine][target.family.name].append((synthesis.terms(config), blocks))
    return {name: _fit(designs, machines()[name].synthesis.reference)
            for name, designs in found.items()}


def _fit(designs, reference):
    """The model of a machine: of designs by family."""
    own = [reference] if reference else designs
    model = {"coefficients": {family: {resource: _coefficients(designs[family], resource)
                                       for resource in _FITTED} for family in own}}
    if reference:
        model["factors"] = {
            family: {resource: _factors(found, model["coefficients"][reference][resource], resource)
                     for resource in _FITTED}
            for family, found in designs.items() if family != reference}
    return model


def _coefficients(designs, resource):
    """``{block: coefficients}`` of the terms of designs, pairs of terms and cells by block."""
    return {block: _solve([terms[block] for terms, _ in designs],
                          [blocks.get(block, {}).get(resource, 0) for _, blocks in designs])
            for block in _BLOCKS}


def _factors(designs, coefficients, resource):
    """``{block: factor}``: by how much the blocks of designs exceed the terms' sums."""
    found, expected = defaultdict(float), defaultdict(float)
    for terms, blocks in designs:
        for block, values in terms.items():
            found[block] += blocks.get(block, {}).get(resource, 0)
            expected[block] += float(np.dot(coefficients[block], values))
    return {block: round(found[block] / expected[block], 4) for block in found if expected[block]}


if __name__ == "__main__":
    fitted = _model() | fit([json.loads(Path(name).read_text()) for name in sys.argv[1:]])
    Path(__file__).with_name(_MODEL).write_text(json.dumps(fitted, indent=1) + "\n")
