"""What STORE makes of psums: its modes, each with its meaning in software.

Everyone who has to know what is special about a mode asks it here: the RTL, the compiler, the cost
models, the functional model and the documentation. A new mode is one more object in :data:`MODES`,
the RTL that computes it, and its tests.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["MODES", "MODE_BITS", "PRODUCT", "RAW", "REQUANTISE", "SUM", "StoreMode",
           "TABLE_ENTRIES", "available"]

#: Bits of STORE's ``mode``.
MODE_BITS = 3

#: Entries of a table, one for each byte: so many words of the parameter memory.
TABLE_ENTRIES = 256


@dataclass(frozen=True)
class StoreMode:
    """One mode.

    Attributes
    ----------
    number : int
        What STORE's ``mode`` holds.
    name : str
    doc : str
        What the mode makes of a psum.
    needs_tables : bool
        It looks the psum's lowest two bytes up in tables A and B. Only accelerators with ``tables``
        have it; the scale is the command's, and ``params`` and ``param_stride`` are 0.
    raw : bool
        Psums are stored as int32, not requantised.
    """
    number: int
    name: str
    doc: str
    needs_tables = False
    raw = False

    @property
    def bytes_per_output(self):
        return 4 if self.raw else 1

    @property
    def may_pool(self):
        """A window may hold more than one psum."""
        return not self.raw

    def psum_reads(self, config, p):
        """Reads of GLB words that ``p`` psums of a column take, each word as often as it has to be
        read; ``p`` may be an array."""
        return -(-p // config.lanes)

    def outputs(self, command, config, psums, parameters):
        """The meaning of the mode: outputs of psums, before the pooling.

        Parameters
        ----------
        command : dict of str to int
            The STORE's fields.
        config : Config
        psums : numpy.ndarray
            int32, the last axis a filter group's channels.
        parameters : numpy.ndarray
            int32 ``(words, lanes, 2)``: biases and bits of scales from the filter group's first
            word on; the whole parameter memory, with tables A and B, if the mode needs tables.

        Returns
        -------
        numpy.ndarray
            int8 or uint8, as the command says, or int32 of a raw mode.
        """
        raise NotImplementedError


class _Requantise(StoreMode):
    def outputs(self, command, config, psums, parameters):
        acc, scale = _biased(psums, parameters)
        return _requantised(command, acc, scale)


class _Raw(StoreMode):
    raw = True

    def psum_reads(self, config, p):
        """A word leaves as ``lanes`` bytes at a time."""
        return -(-4 * p // config.lanes)

    def outputs(self, command, config, psums, parameters):
        return _biased(psums, parameters)[0]


class _LookedUp(StoreMode):
    needs_tables = True

    def psum_reads(self, config, p):
        """A word is looked up ``table_lanes`` psums at a time."""
        return -(-p // config.table_lanes)

    def outputs(self, command, config, psums, parameters):
        lane = np.arange(psums.shape[-1]) % config.table_lanes
        a, b = (parameters[psums >> 8 * i & 255, lane, i] for i in range(2))
        scale = np.array(command["scale"], np.uint32).view(np.float32)
        return _requantised(command, self.joined(a, b), scale)

    def joined(self, a, b):
        """``acc`` of entries of the tables A and B, int32."""
        raise NotImplementedError


class _Sum(_LookedUp):
    def joined(self, a, b):
        return a + b                                                # wraps to 32 bits


class _Product(_LookedUp):
    def joined(self, a, b):
        return ((a & 511 ^ 256) - 256) * ((b & 511 ^ 256) - 256)


def _biased(psums, parameters):
    """``acc``, the psum plus its channel's bias, and the channels' scales."""
    bias, scale = parameters.reshape(-1, 2)[:psums.shape[-1]].T
    return psums + bias, np.ascontiguousarray(scale).view(np.float32)       # wraps to 32 bits


def _requantised(command, acc, scale):
    """``clip(rint(float32(acc) * scale) + zy, lo, hi)``, as int8 or uint8."""
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError("a scale is not positive finite")
    with np.errstate(over="ignore", under="ignore"):
        y = np.rint(acc.astype(np.float32) * scale).astype(np.float64)
    dtype = np.int8 if command["ysigned"] else np.uint8
    zy, lo, hi = (np.array(command[name], np.uint8).view(dtype) for name in ("zy", "lo", "hi"))
    return np.clip(y + zy, lo, hi).astype(dtype)


REQUANTISE = _Requantise(
    0, "requantise", "``acc`` is the psum plus its channel's bias, ``scale`` the channel's.")
SUM = _Sum(
    1, "sum", "``acc = A[psum[7:0]] + B[psum[15:8]]``, of the tables A and B in the parameter "
              "memory; ``scale`` is the command's.")
PRODUCT = _Product(
    2, "product", "``acc = A[psum[7:0]] * B[psum[15:8]]``, of the entries' lowest 9 bits as signed "
                  "numbers; ``scale`` is the command's.")
RAW = _Raw(
    3, "raw", "the psum plus its channel's bias is stored as it is, in 4 little-endian bytes; the "
              "window is 1 x 1, and a row has ``out_cols * p * 4`` bytes.")

#: The modes by number.
MODES = {mode.number: mode for mode in (REQUANTISE, SUM, PRODUCT, RAW)}


def available(config):
    """The modes that an accelerator has; a STORE in another one stops it with an error."""
    return tuple(mode for mode in MODES.values() if config.tables or not mode.needs_tables)
