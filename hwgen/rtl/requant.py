"""Requantisation: int32 sums to 8-bit outputs, with the float32 arithmetic of ONNX Runtime.

The float32 steps are done on 24-bit significands. The sum's significand is normalised and rounded,
multiplied by the scale's, and the product rounded again. Only integers up to 511 can matter after
that, so the exponents are summed up in one shift distance, and whatever is too large or too small
for it (overflow and subnormals among them) saturates or is 0.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from .block import Block

__all__ = ["Requant"]


class Requant(Block):
    """``y = clamp(rint(float32(float32(acc) * scale)) + zy, lo, hi)``, one a cycle.

    Every float32 step rounds to nearest even. Latency is :attr:`LATENCY` enabled cycles and
    throughput one result each enabled cycle. The operands of one result are not sampled together
    but where the pipeline needs them, which saves their delay registers: ``scale`` comes
    :attr:`SCALE_DELAY` enabled cycles after ``acc``, ``zy``, ``ysigned``, ``lo`` and ``hi`` come
    :attr:`RANGE_DELAY` after it.

    The multiplier is split into 16 x 24 bits for two multiplier blocks of any FPGA (one in those
    with 25 x 18 bits) and 8 x 24 bits of adders, because the array leaves small FPGAs few.

    Members
    -------
    en : In(1)
        Advances the pipeline.
    acc : In(signed(32))
        The sum.
    scale : In(32)
        Bits of a float32, positive and finite.
    zy, lo, hi : In(8)
        Zero point, smallest and largest output, as stored.
    ysigned : In(1)
        The output is int8, else uint8.
    y : Out(8)
        The output, as stored.
    """

    module_name = "requant"

    #: Enabled cycles from ``acc`` to ``y``.
    LATENCY = 10
    #: Enabled cycles from ``acc`` to ``scale``.
    SCALE_DELAY = 3
    #: Enabled cycles from ``acc`` to ``zy``, ``ysigned``, ``lo`` and ``hi``.
    RANGE_DELAY = 9

    def __init__(self):
        super().__init__({
            "en": In(1),
            "acc": In(signed(32)),
            "scale": In(32),
            "zy": In(8),
            "lo": In(8),
            "hi": In(8),
            "ysigned": In(1),
            "y": Out(8),
        })

    def body(self, platform):
        m = Module()

        def register(value, name):
            """``value``, one enabled cycle later."""
            signal = Signal.like(value, name=name, reset_less=True)
            with m.If(self.en):
                m.d.sync += signal.eq(value)
            return signal

        def delay(value, cycles, name):
            for cycle in range(cycles):
                value = register(value, f"{name}_{cycle}")
            return value

        # 1: the magnitude.
        negative = self.acc[31]
        magnitude = register(((self.acc ^ negative.replicate(32)) + negative)[:32], "magnitude")

        # 2, 3: shifted up until bit 31 is set, by `zeros` leading zeros.
        def normalise(value, steps):
            shifts = []
            for step in steps:
                shift = Signal(name=f"shift_{step}")
                m.d.comb += shift.eq(value[32 - step:] == 0)
                value = Mux(shift, value << step, value)[:32]
                shifts.append(shift)
            return value, Cat(reversed(shifts))
        coarse, zeros_coarse = normalise(magnitude, (16, 8))
        coarse, zeros_coarse = register(coarse, "coarse"), register(zeros_coarse, "zeros_coarse")
        fine, zeros_fine = normalise(coarse, (4, 2, 1))
        fine = register(fine, "fine")
        zeros = register(Cat(zeros_fine, zeros_coarse), "zeros")

        # 4: rounded to 24 bits, of which the first is 1 even if the rounding carries out.
        round_sum = fine[7] & (fine[8] | fine[:7].any())
        fraction = register(fine[8:31] + round_sum, "fraction")
        carry = fraction[23]
        a = Cat(fraction[:23], 1)
        scale = register(self.scale[:31], "scale_r")
        b = Cat(scale[:23], 1)
        zeros = register(zeros, "zeros_sum")
        is_zero = register(~fine[31], "is_zero")

        # 5, 6, 7: the 48-bit product: `low` from the lower 16 bits of a, the rest from `high`.
        # Of the lowest 16 bits only whether they are 0 matters.
        def rows(bits):
            return sum((Mux(bit, b, 0) << i for i, bit in enumerate(bits)), start=0)
        low = register(a[:16] * b, "low")
        high_0 = register(rows(a[16:20])[:28], "high_0")
        high_1 = register(rows(a[20:24])[:28], "high_1")
        high = register((high_0 + (high_1 << 4))[:32], "high")
        rest = register(low[:16].any(), "rest")
        product = register((register(low[16:], "low_r") + high)[:32], "product")
        rest = register(rest, "rest_r")

        # The result is the product's upper 25 bits shifted right by 15 + `distance`.
        distance = register((104 + zeros - carry - scale[23:31])[:10], "distance").as_signed()
        is_zero = register(is_zero | (scale[23:31] == 0), "is_zero_5")
        huge = register(distance < 0, "huge_6")
        is_zero = register(is_zero | (distance >= 16), "is_zero_6")
        distance = delay(distance[:4], 3, "distance")
        huge, is_zero = delay(huge, 2, "huge"), delay(is_zero, 2, "is_zero")

        # 8: rounded to 24 bits, counted from bit 31 or else from bit 30, which is 1 then.
        top = product[31]
        round_top = product[7] & (product[8] | product[:7].any() | rest)
        round_below = product[6] & (product[7] | product[:6].any() | rest)
        rounded = register(Cat(product[7] & ~top, product[8:32]) +
                           Cat(round_below & ~top, round_top & top), "rounded")

        # 9: shifted to an integer of 11 bits, a bit worth one half, and whether bits are lost.
        shifted, lost = rounded[14:], rounded[:14].any()
        for k in range(4):
            lost |= distance[k] & shifted[:1 << k].any()
            shifted = Mux(distance[k], shifted >> (1 << k), shifted)
        integer, half = shifted[1:], shifted[0]
        integer = register(Mux(is_zero, 0, Mux(huge, 1024, integer))[:11], "integer")
        half = register(half & ~is_zero & ~huge, "half")
        lost = register(lost, "lost")

        # 10: rounded and given its sign in one addition, and clamped.
        negative = delay(negative, 9, "negative")
        up = half & (lost | integer[0])
        operand = Cat(negative ^ up, integer ^ negative.replicate(11), negative).as_signed()

        def extend(stored):
            return Cat(stored, stored[7] & self.ysigned).as_signed()
        result = Signal(signed(12))
        m.d.comb += result.eq((Cat(1, extend(self.zy)).as_signed() + operand) >> 1)
        m.d.comb += self.y.eq(register(
            Mux(result < extend(self.lo), self.lo,
                Mux(result > extend(self.hi), self.hi, result[:8])), "y_r"))
        return m
