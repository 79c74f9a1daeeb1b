"""Requantisation: int32 sums to 8-bit outputs, with the float32 arithmetic of ONNX Runtime.

The float32 steps are done on 24-bit significands. The sum's significand is normalised and rounded,
multiplied by the scale's, and the product rounded again. Only integers up to 511 can matter after
that, so the exponents are summed up in one shift distance, and whatever is too large or too small
for it (overflow and subnormals among them) saturates or is 0.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from ...block import Block

__all__ = ["Requant"]


class Requant(Block):
    """``y = clamp(rint(float32(float32(acc) * scale)) + zy, lo, hi)``, one a cycle.

    Every float32 step rounds to nearest even. Latency is :attr:`LATENCY` enabled cycles and
    throughput one result each enabled cycle. The operands of one result are not sampled together
    but where the pipeline needs them, which saves their delay registers: ``scale`` comes
    :attr:`SCALE_DELAY` enabled cycles after ``acc``, ``zy``, ``ysigned``, ``lo`` and ``hi`` come
    :attr:`RANGE_DELAY` after it.

    The multiplier is split into 16 x 24 and 8 x 24 bits, two multiplier blocks each in any FPGA
    (one in those with 25 x 18 bits).

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

        # 1, 2, 3: the bits of the magnitude less the sign, which a negative sum's inverse is,
        # shifted up until bit 31 is set, by `zeros` leading zeros. The sign goes into the vacant
        # bits, so that it still counts one at the lowest bit.
        def normalise(value, negative, steps):
            shifts = []
            for step in steps:
                shift = Signal(name=f"shift_{step}")
                m.d.comb += shift.eq(value[32 - step:] == 0)
                value = Mux(shift, Cat(negative.replicate(step), value[:32 - step]), value)
                shifts.append(shift)
            return value, Cat(reversed(shifts))
        negative, zeros = self.acc[31], Cat()
        value = (self.acc ^ negative.replicate(32))[:32]
        for stage, steps in (("coarse", (16,)), ("medium", (8, 4)), ("fine", (2, 1))):
            value, counted = normalise(value, negative, steps)
            value = register(value, stage)
            negative = register(negative, f"negative_{stage}")
            zeros = register(Cat(counted, zeros), f"zeros_{stage}")
        fine = value

        # 4: rounded to 24 bits, of which the first is 1 even if the rounding carries out. Of a
        # magnitude of 1 the bits are 0, and the rounding makes the first.
        tie = Mux(negative, fine[:7].all() & ~fine[7], fine[7] & ~fine[:7].any())
        above = fine[7] & (negative | fine[:7].any())
        fraction = register(fine[8:31] + (above | (tie & fine[8])), "fraction")
        some = register(fine[31], "some")
        carry = fraction[23] & some
        a = Cat(fraction[:23], 1)
        scale = register(self.scale[:31], "scale_r")
        b = Cat(scale[:23], 1)
        zeros = register(zeros, "zeros_sum")
        is_zero = register(~fine[31] & ~negative, "is_zero")

        # 5, 6, 7: the 48-bit product, of which the lowest 16 bits matter only if they are all 0.
        low = register(register(a[:16] * b, "low"), "low_r")
        high = register(register(a[16:] * b, "high"), "high_r")
        product = register((low[16:] + high)[:32], "product")
        rest = register(low[:16].any(), "rest")

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
        negative = delay(negative, 6, "negative")
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
