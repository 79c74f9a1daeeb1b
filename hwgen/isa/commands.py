"""The command stream: every command, field by field.

A program is a sequence of 64-byte commands in memory, eight little-endian 64-bit words each. The
controller fetches them in order and hands each to one of four queues (load, filter, compute,
store), which run decoupled from one another. Order between the queues is kept by eight counting
semaphores, all zero at start: a command starts when every semaphore of its ``wait`` mask is above
zero, and takes one from each; when done it adds one to each semaphore of its ``signal`` mask.

This module is the one source of truth: the RTL unpacks with it, the compiler packs with it, and
the documentation and the C header are generated from it.

Addresses in GLB are mixed-radix numbers, so that the hardware never divides: ``sub`` (ifmap word in
a bank word), ``bank`` (column) and ``off`` (bank word), where ``sub`` counts to ``subwords``,
``bank`` to ``cols``, and ifmap word ``a`` has ``sub = a % subwords``,
``bank = a // subwords % cols``, ``off = a // subwords // cols``. Strides are written the same way.
Psum addresses are plain bank words: a psum word stands in every bank at once, one for each column.
The microcoded machine's GLB is one memory: ifmap word ``a`` has ``off = a``, and psum word ``o`` of
column ``j`` stands at ``off = o * cols + j``.
"""

from dataclasses import dataclass

from .store_modes import MODE_BITS, MODES

__all__ = ["COMMAND_BYTES", "MAGIC", "Field", "Command", "COMMANDS", "OPCODES", "SEMAPHORES",
           "READ_AHEAD", "FUNCTION_BITS", "FUNCTION_DST", "FUNCTION_WRITES", "TABLE_DST"]

COMMAND_BYTES = 64
MAGIC = 0x4E475748           # "HWGN", the first word of a program
SEMAPHORES = 8
READ_AHEAD = 4               # commands that are fetched beyond END and dropped: must be readable
FUNCTION_BITS = 4            # of STORE's `function`
FUNCTION_DST = 2048          # first parameter word of the function tables
FUNCTION_WRITES = 64         # bus words that fill a function table: four entries each
TABLE_DST = 3072             # parameter word from which on tables A and B are written, to all lanes


@dataclass(frozen=True)
class Field:
    """One field of a command.

    ``derive`` is None, or makes the field's value, modulo its width, of the command's other fields:
    what the hardware would otherwise need a multiplier for. ``glb`` marks what counts GLB words.

    ``least`` is 0, or 1 if 0 is not allowed: then the hardware stops a program at a command that
    has it there, before anything is done for the command.
    """
    name: str
    bits: int
    doc: str
    signed: bool = False
    derive: object = None
    glb: bool = False
    least: int = 0

    @property
    def meaning(self):
        """``doc``, and what values are allowed."""
        return self.doc + " (not 0)" * self.least


@dataclass(frozen=True)
class Command:
    """One command: its opcode, the queue that runs it, and its fields.

    ``words`` lists the fields of each 64-bit word from bit 0 up; word 0 starts with the opcode.
    """
    name: str
    opcode: int
    queue: str
    doc: str
    words: tuple

    def fields(self):
        """Yield ``(field, lsb)`` with the field's bit position in the 512-bit command."""
        for index, word in enumerate(self.words):
            lsb = 64 * index + (8 if index == 0 else 0)
            for field in word:
                yield field, lsb
                lsb += field.bits
            if lsb > 64 * index + 64:
                raise ValueError(f"word {index} of {self.name} holds {lsb - 64 * index} bits")


_WAIT = Field("wait", 8, "semaphores to take one from before the command starts")
_SIGNAL = Field("signal", 8, "semaphores to add one to when the command is done")


def _glb(name, doc):
    """An address or a stride in the GLB: off 16, bank 5, sub 3."""
    return Field(name, 24, doc, glb=True)


# The modes that need tables, in words.
_TABLE_MODES = "Modes " + " and ".join(str(mode.number) for mode in MODES.values()
                                       if mode.needs_tables)


def _output_bytes(mode):
    return MODES[mode].bytes_per_output if mode in MODES else 1


def _group_step(rows):
    return Field("group_step", 32, f"bytes from a group's last row to the next group's first: "
                                   f"group_stride - ({rows} - 1) * row_stride, modulo 2**32",
                 derive=lambda f: f["group_stride"] - max(f[rows] - 1, 0) * f["row_stride"])


COMMANDS = {c.name: c for c in (
    Command("BEGIN", 1, "controller",
            "First command of every program. Refused with an error unless both fields match.", (
                (Field("magic", 32, "0x4E475748"),),
                (Field("hash", 32, "hash of the configuration the program was compiled for"),),
            )),
    Command("END", 2, "controller",
            "Last command: waits until all queues are empty and all units idle (every write "
            "acknowledged), then sets DONE and raises the interrupt. Commands are fetched ahead: "
            "the 256 bytes after END must be memory that can be read; they are ignored.", ()),
    Command("LOAD", 3, "load",
            "Reads a block of an ifmap from DRAM and writes it into the GLB, regrouped.\n\n"
            "In DRAM the block is ``groups`` x ``rows`` x ``cols`` x ``dram_channels`` bytes, the "
            "last two dimensions contiguous. In the GLB each channel group of ``q`` channels and "
            "each row is a stream of bytes ``[column][q]`` that starts at a word boundary. Byte "
            "``b`` of column ``w``, row ``h``, group ``k`` is channel ``n = first_channel_offset + "
            "k * dram_channels + b`` and goes to stream ``(n // q, h + tpad)`` at byte ``(w / "
            "keep_every_col + lpad) * q + n % q``; columns with ``w % keep_every_col`` not 0 are "
            "skipped. Rows above (``tpad``) and below (``bpad``), and columns left (``lpad``) and "
            "right (``rpad``) are written with ``pad``.", (
                (_WAIT, _SIGNAL, _glb("dst", "GLB address of stream (0, 0)"),
                 Field("pad", 8, "value of the padding: the zero point"),
                 Field("keep_every_col", 3,
                       "column step: every keep_every_col-th column is kept, from the first",
                       least=1)),
                (Field("addr", 32, "byte address in DRAM of the first row; any alignment"),
                 Field("dram_channels", 16, "channels of a DRAM group", least=1),
                 Field("groups", 16, "DRAM groups", least=1)),
                (Field("row_stride", 32, "bytes from a row to the next in DRAM"),
                 Field("group_stride", 32, "bytes from a group to the next in DRAM")),
                (Field("rows", 12, "rows in DRAM, 0 or more (0: nothing but padding rows)"),
                 Field("cols", 16, "columns in DRAM", least=1),
                 Field("tpad", 6, "padding rows above"), Field("bpad", 6, "padding rows below"),
                 Field("lpad", 6, "padding columns left"),
                 Field("rpad", 6, "padding columns right"),
                 ),
                (_glb("glb_row_stride", "GLB words from a row's stream to the next"),
                 _glb("glb_cg_stride",
                       "GLB words from a channel group's stream to the next"),
                 Field("q", 8, "channels of a GLB group", least=1),
                 Field("first_channel_offset", 8,
                       "channel of the first byte within GLB group 0, below q")),
                (Field("row_last", 24, "bytes of a row, less one: cols * dram_channels - 1",
                       derive=lambda f: f["cols"] * f["dram_channels"] - 1),
                 _group_step("rows"),
                 Field("row_is_contiguous", 1,
                       "a row's columns are one run on both sides: dram_channels is q, "
                       "first_channel_offset is 0, keep_every_col is 1",
                       derive=lambda f: (f["dram_channels"] == f["q"]
                                         and f["first_channel_offset"] == 0
                                         and f["keep_every_col"] == 1))),
                (Field("dram_channels_last", 16, "dram_channels less one",
                       derive=lambda f: f["dram_channels"] - 1),
                 _glb("start", "GLB address of the first byte: first_channel_offset bytes, in "
                               "whole GLB words, after dst"),
                 _glb("glb_col_stride", "GLB words in q bytes, rounded down")),
            )),
    Command("PARAMS", 4, "load",
            "Copies bias and scale of ``count`` parameter words (``lanes`` channels each, 8 bytes "
            "a channel: int32 bias, float32 scale) from DRAM into the parameter memory.\n\n"
            "The tables of STORE's modes that need them stand there too: entry ``i`` of table A in "
            "the biases of word ``i``, entry ``i`` of table B, an int32, in its scales, the same "
            "in each lane; lanes beyond the fourth have no tables, and keep nothing beyond their "
            "channels' words. From ``dst`` 3072 on both tables are written to all lanes that have "
            "them at once: entry by entry A, B, in the lowest 64 bits of a bus word, or in two bus "
            "words of 32 bits; ``count`` is ``4 * max(bus_bits, 64) / lanes``.\n\n"
            "The function tables of accelerators with ``functions`` of them stand from word 2048 "
            "on, table ``n`` at ``2048 + (n % functions) * bus_bits / lanes``: 64 bus words, each "
            "with four entries, the same in all lanes, in its lowest 32 bits.", (
                (_WAIT, _SIGNAL, Field("dst", 12, "first parameter word"),
                 Field("count", 12, "parameter words", least=1)),
                (Field("addr", 32, "byte address in DRAM, a multiple of the bus word"),),
            )),
    Command("FILTER", 5, "filter",
            "Streams filter packets from DRAM into the PEs' filter spads. The packets describe "
            "themselves (docs/reference/command-stream.md) and are consumed in the order of the "
            "passes of the COMPUTE commands; the filter network stops the stream while both halves "
            "of the spads are full.", (
                (),
                (Field("addr", 32, "byte address in DRAM, a multiple of the bus word"),
                 Field("words", 24, "bus words", least=1)),
            )),
    Command("COMPUTE", 6, "compute",
            "Convolves one block of filters over one ifmap tile, for one chunk of channels.\n\n"
            "The ``pairs`` (channel group, filter row) pairs are spread over the array's rows, "
            "``rows`` of them a pass, the last pass on the bottom rows if it is short. Each pass "
            "runs ``strips`` x ``psum_cols`` output columns of ``p`` filters of ``tap_channels * "
            "tap_cols`` taps. A column of the array has output row ``y`` (0 to ``e - 1``) of a "
            "strip and one filter group.\n\n"
            "``feed_wait`` holds the reading of ifmaps, ``psum_wait`` the first write of a psum. "
            "``feed_signal`` is given when the last ifmap word has been read, ``psum_signal`` when "
            "the last psum has been written.\n\n"
            "Waits and signals can also be for each few strips, so that a tile may arrive, and a "
            "block may be drained and filled anew, strip by strip. ``feed_step`` = n: "
            "``feed_wait`` is taken again before every n-th strip of the first pass. ``wait_step`` "
            "= n: the same of ``psum_wait``. ``signal_step`` = n: ``psum_signal`` is given after "
            "every n-th strip of the last pass, and after its last strip.",
            (
                (Field("feed_wait", 8, "semaphores taken before the first ifmap word is read"),
                 Field("feed_signal", 8, "semaphores given when the last ifmap word has been read"),
                 Field("psum_wait", 8, "semaphores taken before the first psum is written"),
                 Field("psum_signal", 8, "semaphores given when the last psum has been written"),
                 _glb("ifmap", "GLB address of the tile's stream (0, 0)")),
                (_glb("row_stride", "GLB words from an ifmap row's stream to the next"),
                 _glb("cg_stride", "GLB words from a channel group's stream to the next"),
                 Field("rounds", 12, "GLB words of a stream that a strip reads", least=1)),
                (_glb("strip_stride", "GLB words from a strip's first row to the next's"),
                 Field("pairs", 16, "(channel group, filter row) pairs", least=1),
                 Field("r", 6, "filter rows R", least=1),
                 Field("strip_ifmap_rows", 10,
                       "ifmap rows of a strip that are sent: (e-1)*u + (r-1)*dil + 1"),
                 Field("e", 6, "output rows of a strip, at most cols", least=1),
                 ),
                (Field("multicast_mask", 32, "columns of output row 0: bit i * e for each filter "
                                             "group i; depthwise: 1"),
                 Field("u", 4, "stride U of the ifmap rows", least=1),
                 Field("dil", 6, "dilation of the filter rows", least=1),
                 Field("depthwise", 1, "each group of e columns takes a channel group of its own"),
                 Field("depthwise_groups", 6,
                       "depthwise: channel groups side by side; otherwise 1", least=1),
                 Field("active_cols", 6, "columns that count as computing, for the MAC counter")),
                (Field("tap_channels", 7, "channels in the inner tap loop: q, or 1 if depthwise",
                       least=1),
                 Field("tap_cols", 6, "filter columns S", least=1),
                 Field("tap_col_stride", 7,
                       "spad values from a tap column to the next: dilation * q"),
                 Field("filter_reads_own_channel", 1,
                       "1 if filter i reads channel i (depthwise), else 0"),
                 Field("window", 7, "spad values of a window: ((S-1)*dilation + 1) * q"),
                 Field("col_advance", 7, "spad values from an output column to the next: U*q"),
                 Field("strip_advance", 7, "the same from the last column of a strip to the next "
                                       "strip: rounds * word - (psum_cols-1) * col_advance"),
                 Field("xsigned", 1, "ifmap values are int8, else uint8"),
                 Field("zx", 8, "zero point of the ifmap, as stored"),
                 Field("feed_step", 6, "strips that a feed_wait is for; 0: all of them")),
                (Field("p", 10, "filters of a PE", least=1),
                 Field("psum_cols", 12, "output columns F of a strip", least=1),
                 Field("strips", 10, "strips", least=1),
                 Field("psum", 16, "bank word of the block's first psum"),
                 Field("accumulate", 1, "add to the psums that stand there, else start from 0"),
                 Field("wait_step", 6, "strips that a psum_wait is for; 0: all of them"),
                 Field("signal_step", 6, "strips that a psum_signal is for; 0: all of them")),
            )),
    Command("STORE", 7, "store",
            "Drains one block of psums through the output stage to DRAM.\n\n"
            "For each of ``groups`` filter groups, each of ``out_rows`` and ``out_cols``, and each "
            "channel: the largest requantised value in a window of ``pool_r`` x ``pool_s`` psums "
            "(1 x 1: no pooling), which starts at row ``row0 + oy * pool_u``, column "
            "``col0 + ox * pool_v``; positions outside the ``psum_rows`` x ``psum_cols`` psums are "
            "left out. A row's ``out_cols * p`` bytes are contiguous in DRAM.\n\n"
            "A psum becomes ``acc``, and ``acc`` becomes an output by ``clip(rint(float32(acc) * "
            "scale) + zy, lo, hi)``, according to ``mode``:\n\n"
            + "".join(f"* {mode.number}, {mode.name}: {mode.doc}\n\n" for mode in MODES.values())
            + f"Sums wrap to 32 bits. {_TABLE_MODES} exist in accelerators built with ``tables``; "
            "there ``params`` and ``param_stride`` are 0. A mode that the accelerator does not "
            "have stops it with an error.\n\n"
            "With a ``function`` an output becomes the entry of that function table at the byte as "
            "stored, before the largest of a window is taken; in mode raw it must be 0.", (
                (_WAIT, Field("signal", 8, "semaphores given when the psums have been read"),
                 Field("signal_written", 8, "semaphores given when every write is acknowledged"),
                 Field("psum", 16, "bank word of the block's first psum"),
                 Field("params", 12, "parameter word of the block's first channel")),
                (Field("addr", 32, "byte address in DRAM of the first output; any alignment"),
                 Field("row_stride", 32, "bytes from an output row to the next in DRAM")),
                (Field("group_stride", 32, "bytes from a filter group to the next in DRAM"),
                 Field("bank", 6, "column of the first filter group's output row 0"),
                 Field("groups", 6, "filter groups", least=1),
                 Field("e", 6, "output rows of a strip", least=1),
                 Field("p", 10, "channels of a filter group that are stored", least=1)),
                (Field("words_per_column", 10,
                       "psum words of an output column: ceil(p of COMPUTE / lanes)"),
                 Field("psum_cols", 12, "output columns of a strip", least=1),
                 Field("psum_rows", 14, "valid output rows of the block", least=1),
                 Field("zy", 8, "zero point of the output, as stored"),
                 Field("ysigned", 1, "outputs are int8, else uint8"),
                 Field("lo", 8, "smallest output, as stored"),
                 Field("hi", 8, "largest output, as stored")),
                (Field("out_rows", 14, "output rows", least=1),
                 Field("out_cols", 12, "output columns", least=1),
                 Field("row0", 8, "first window row", signed=True),
                 Field("col0", 8, "first window column", signed=True),
                 Field("pool_r", 5, "window rows", least=1),
                 Field("pool_s", 5, "window columns", least=1),
                 Field("pool_u", 5, "row stride"), Field("pool_v", 5, "column stride")),
                (Field("strip_words", 16, "psum words of a strip: psum_cols * words_per_column"),
                 Field("param_stride", 12, "parameter words from a filter group to the next"),
                 Field("mode", MODE_BITS,
                       ", ".join(f"{mode.number} {mode.name}" for mode in MODES.values())),
                 Field("scale", 32, f"{_TABLE_MODES}: bits of a float32, positive and finite")),
                (Field("row_bytes", 24, "bytes of an output row: out_cols * p, of raw modes four "
                                        "times as many",
                       derive=lambda f: f["out_cols"] * f["p"] * _output_bytes(f["mode"]), least=1),
                 Field("col_step", 16,
                       "psum words from a window to the next: pool_v * words_per_column",
                       derive=lambda f: f["pool_v"] * f["words_per_column"]),
                 Field("col_first", 16,
                       "psum words to the first window: col0 * words_per_column, modulo 2**16",
                       derive=lambda f: f["col0"] * f["words_per_column"]),
                 Field("function", FUNCTION_BITS, "function table of the outputs, 1 to "
                       "``functions``; 0: none")),
                (_group_step("out_rows"),
                 Field("col_left", 13, "output columns from the first window on: psum_cols - col0",
                       derive=lambda f: f["psum_cols"] - f["col0"]),
                 Field("p_last", 10, "p less one", derive=lambda f: f["p"] - 1)),
            )),
)}

OPCODES = {c.opcode: c for c in COMMANDS.values()}
