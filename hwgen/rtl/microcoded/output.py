"""The output unit: sums psums, and requantises the sum with the float32 arithmetic of ONNX Runtime.

It does what :class:`~hwgen.rtl.parallel.store.requant.Requant` does, in several cycles and without
a multiplier block. The sum's bits are the digits of the multiplication, two a cycle from the
lowest, and the product moves right under the scale's significand. So nothing has to be normalised:
when the sum's last 1 has been multiplied, the product's first 24 bits fill the register. It moves
on until its integer part stands where it is taken, and how long that takes only depends on the
scale's exponent.
"""

from dataclasses import dataclass

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ..block import Block

__all__ = ["OutputUnit"]


def _differ(bits):
    """Whether bits differ from each other."""
    return (bits[1:] ^ bits[:-1]).any()


def _majority(a, b, c):
    return (a & b) | (a & c) | (b & c)


@dataclass(frozen=True, eq=False)
class _Timing:
    """Where in a requantisation the unit is.

    Attributes
    ----------
    odd : Signal
        The scale's exponent is odd.
    rest : Signal
        No digits are multiplied.
    first, rounding_n, clamping : Signal
        The cycle after ``scale`` with ``first``; not the cycle of the rounding; that of the
        clamping.
    """
    odd: Signal
    rest: Signal
    first: Signal
    rounding_n: Signal
    clamping: Signal


class _Place:
    """The next two bits of the sum, at ``place`` in one of its bytes; ``past`` all bits, the digits
    are 0.

    ``lower`` is the inverse of ``upper``, but a register of its own, so that synthesis does not
    know: with both, selecting from four takes two LUTs.
    """

    def __init__(self):
        self.place = Signal(2, name="place", reset_less=True)
        self.byte_low, self.upper, self.lower, self.past = (
            Signal(name=name, reset_less=True) for name in ("byte_low", "upper", "lower", "past"))

    def of_four(self, items):
        """The item of two bits of a byte."""
        place = self.place
        return Mux(place[1], Mux(place[0], items[3], items[2]), Mux(place[0], items[1], items[0]))

    def byte(self, m, acc):
        """The byte of the sum."""
        byte = Signal(8)
        for k in range(8):
            below = Mux(self.lower, Mux(self.byte_low, acc[k + 8], acc[k]), self.byte_low)
            m.d.comb += byte[k].eq(Mux(self.upper, Mux(below, acc[k + 24], acc[k + 16]), below))
        return byte


class OutputUnit(Block):
    """``acc`` as ``y = clamp(rint(float32(float32(acc) * scale)) + zy, lo, hi)`` or as its bytes.

    Every float32 step rounds to nearest even. With ``e`` the exponent field of the scale, ``y``
    holds the result ``max(0, 68 - e // 2) + 4`` cycles after ``scale``, and the unit is busy in all
    cycles between: 13 for a scale around 1/1000. The sum stays.

    Not more than one of the strobes ``load``, ``add``, ``scale`` and ``raw`` in a cycle, and none
    while the unit is busy. Nothing but ``load`` and ``raw`` after ``raw``, and no ``raw`` between
    ``scale`` and the next ``load``.

    Members
    -------
    word : In(32)
        A psum, or the bits of a float32, positive and finite.
    load, add : In(1)
        The sum becomes ``word``, or grows by it. It wraps.
    scale : In(1)
        Requantise the sum by ``word``.
    raw : In(1)
        ``y`` becomes the next byte of the sum, beginning with the lowest.
    first : In(1)
        With ``scale``: ``y`` becomes the result, else the maximum of the result and ``y``, which
        holds a result of the same ``lo``, ``hi`` and ``ysigned``.
    zy, lo, hi : In(8)
        Zero point, smallest and largest output, as stored. They and ``ysigned`` are read while the
        unit is busy.
    ysigned : In(1)
        The output is int8, else uint8.
    busy : Out(1)
        From the cycle after ``scale`` until the one before ``y`` holds the result.
    y : Out(8)
        The output, as stored.
    """

    module_name = "output_unit"

    def __init__(self):
        super().__init__({
            "word": In(32), "load": In(1), "add": In(1), "scale": In(1), "raw": In(1),
            "first": In(1), "zy": In(8), "lo": In(8), "hi": In(8), "ysigned": In(1),
            "busy": Out(1), "y": Out(8),
        })

    def body(self, platform):
        m = Module()
        acc = self._sum(m)
        negative = acc[31]
        time = self._timing(m)
        at = self._place(m, time.rest)
        byte = at.byte(m, acc)
        beyond = self._beyond(m, acc)
        digit, carry, late = self._digits(m, time, at, negative, byte, beyond)
        product, out = self._product(m, negative, digit)
        up, inexact = self._rounding(m, digit, product, out)
        left = self._left(m, at, acc, byte, beyond, (carry ^ negative) | late)
        huge = Signal()
        m.d.comb += huge.eq(left | (product[22] ^ negative) | (product[23] ^ negative))
        self._result(m, time, byte, negative, huge, self._rounded(m, product, up, inexact))
        return m

    def _sum(self, m):
        """The sum of the psums."""
        acc = Signal(32, reset_less=True)
        with m.If(self.load | self.add):
            m.d.sync += acc.eq(Mux(self.load, self.word, acc + self.word))
        return acc

    def _timing(self, m):
        """When the digits end and what follows them; returns a :class:`_Timing`.

        Two bits of the sum are multiplied in each cycle until half the exponent has counted to
        68: then the product's integer part begins at bit 14. (An odd exponent's product has to
        move a bit less far, for which its digits come a bit later.) So 24 bits of product hold
        1023, and what is left of the sum then would make it 512 or more. That, and all from 256,
        is more than any zero point brings back into range. Each two bits of the counter have
        their own clock enable, which saves carries.

        The last digits are multiplied in the cycle after they were chosen, in the next the
        product is rounded, in the last the result clamped.
        """
        exponent = Signal(7, reset_less=True)
        odd = Signal(reset_less=True)
        done = Signal()
        rest = Signal()
        m.d.comb += [
            done.eq(exponent[6] & exponent[2:6].any()),
            rest.eq(~self.busy | done),
        ]
        with m.If(self.scale):
            m.d.sync += [exponent.eq(self.word[24:31]), odd.eq(self.word[23])]
        with m.Elif(~done):
            m.d.sync += exponent[:2].eq(exponent[:2] + 1)
            with m.If(exponent[:2].all()):
                m.d.sync += exponent[2:4].eq(exponent[2:4] + 1)
                with m.If(exponent[2:4].all()):
                    m.d.sync += exponent[4:6].eq(exponent[4:6] + 1)
                    with m.If(exponent[4:6].all()):
                        m.d.sync += exponent[6].eq(1)

        first = Signal(name="first_r", reset_less=True)
        rounding_n = Signal(reset_less=True)
        clamping = Signal(reset_less=True)
        m.d.sync += [
            first.eq(self.scale & self.first),
            rounding_n.eq(~(self.busy & done & rounding_n & ~clamping)),
            clamping.eq(~rounding_n),
            self.busy.eq(self.scale | (self.busy & ~clamping)),
        ]
        return _Timing(odd, rest, first, rounding_n, clamping)

    def _place(self, m, rest):
        """Where the next two bits of the sum are; moves on while digits are multiplied."""
        at = _Place()
        with m.If(self.load | self.scale):
            m.d.sync += [at.place.eq(0), at.byte_low.eq(0), at.upper.eq(0), at.lower.eq(1),
                         at.past.eq(0)]
        with m.Elif(self.raw | (~rest & ~at.past)):
            next_byte = self.raw | at.place.all()
            next_upper = at.upper ^ (at.byte_low & next_byte)
            m.d.sync += [
                at.place[0].eq(~at.place[0] & ~self.raw),
                at.place[1].eq(at.place[1] ^ at.place[0]),
                at.byte_low.eq(at.byte_low ^ next_byte),
                at.upper.eq(next_upper),
                at.lower.eq(~next_upper),
                at.past.eq(Cat(at.place, at.byte_low, at.upper).all()),
            ]
        return at

    @staticmethod
    def _beyond(m, acc):
        """The bits from 24 on that are not all the sign from there up: so many of the lowest bits
        of the magnitude are dropped, since it has more than 24."""
        beyond_28 = Signal()
        beyond_26 = Signal()
        beyond = Signal(8)
        m.d.comb += [
            beyond_28.eq(_differ(acc[28:])), beyond_26.eq(beyond_28 | _differ(acc[26:29])),
            beyond.eq(Cat(
                beyond_26 | _differ(acc[24:27]), beyond_26 | _differ(acc[25:27]), beyond_26,
                beyond_28 | _differ(acc[27:29]), beyond_28,
                _differ(acc[29:]), _differ(acc[30:]))),
        ]
        return beyond

    def _digits(self, m, time, at, negative, byte, beyond):
        """The two digits that are multiplied next: bits of the rounded magnitude of the sum.

        ``carry`` is that of the negation, exclusive or the sign, so that a digit is its exclusive
        or with the bit. While bits are dropped, ``held`` is the last of them and ``carry`` whether
        any before it is 1: they tell how to round to nearest even, in two's complement. Exclusive
        or the sign, that is the carry of rounding and negation together into the first bit that is
        not dropped. Otherwise ``held`` is the digit before.

        Returns the digits, the carry, and the digit that an odd exponent makes late.
        """
        bit_0 = Signal()
        bit_1 = Signal()
        m.d.comb += [bit_0.eq(at.of_four(byte[0::2])), bit_1.eq(at.of_four(byte[1::2]))]
        lowest = ~at.past & ~at.upper & ~at.byte_low
        drop_0 = Signal()
        drop_1 = Signal()
        m.d.comb += [
            drop_0.eq(lowest & at.of_four(beyond[0::2])),
            drop_1.eq(lowest & at.of_four(beyond[1::2])),
        ]
        carry = Signal(reset_less=True)
        dropped = Signal(reset_less=True)
        held = Signal(reset_less=True)
        carry_0 = Signal()
        carry_1 = Signal()
        digit_0 = Signal()
        digit_1 = Signal()
        m.d.comb += [
            carry_0.eq(Mux(drop_0, carry | held | (bit_1 & ~drop_1),
                           Mux(dropped, held & (carry | bit_0), carry))),
            carry_1.eq(_majority(carry_0, bit_0, Mux(drop_0, drop_1, negative))),
            digit_0.eq((carry_0 ^ bit_0) & ~drop_0 & ~at.past),
            digit_1.eq((carry_1 ^ bit_1) & ~drop_1 & ~at.past),
        ]
        with m.If(self.scale):
            m.d.sync += [carry.eq(0), dropped.eq(0), held.eq(0)]
        with m.Else():
            m.d.sync += [
                carry.eq(Mux(drop_1, carry_1, _majority(carry_1, bit_1, negative))),
                dropped.eq(drop_1),
                held.eq((drop_1 & bit_1) | digit_1),
            ]
        late = held & ~dropped & time.odd
        digit = Signal(2, reset_less=True)
        with m.If(time.rest):
            m.d.sync += digit.eq(0)
        with m.Else():
            m.d.sync += digit.eq(Mux(time.odd, Cat(late, digit_0), Cat(digit_0, digit_1)))
        return digit, carry, late

    def _product(self, m, negative, digit):
        """The product, with the sign of the sum, and the two bits that move ``out`` of it in each
        cycle. A bit of a conditional sum takes one LUT."""
        significand = Signal(23, reset_less=True)
        product = Signal(25, reset_less=True)
        out = Signal(2, reset_less=True)

        def add_if(digit, value, name):
            sum_ = Signal(len(value) + 1, name=name)
            extended = Cat(value, value[-1])
            added = Cat(1, extended) + Cat(negative, significand, ~negative, negative, negative)
            m.d.comb += sum_.eq(Mux(digit, added[1:], extended))
            return sum_
        sum_0 = add_if(digit[0], product, "sum_0")
        sum_1 = add_if(digit[1], sum_0[1:], "sum_1")
        with m.If(self.scale):
            m.d.sync += [significand.eq(self.word[:23] ^ negative.replicate(23)),
                         product.eq(0), out.eq(0)]
        with m.Else():
            m.d.sync += [product.eq(sum_1[1:]), out.eq(Cat(sum_0[0], sum_1[0]))]
        return product, out

    def _rounding(self, m, digit, product, out):
        """Rounding to the 24 bits that begin with the first 1 (or 0, of a negative product).

        If the digits just ``added`` were the last that are not 0, that is bit 23, 22 or 21, and the
        lowest of the 24 is bit 0 or has moved out already. After digits of 0 two more bits have
        moved out, to which the carry is added; after others the rounding begins anew, for which
        ``half`` and ``sticky`` are kept of all that moved out.

        Returns the carry of the rounding into what has not moved out, and whether of the 24 bits,
        rounded, one that has moved out is 1. (Never both.)
        """
        added = Signal(reset_less=True)
        half = Signal(reset_less=True)
        sticky = Signal(reset_less=True)
        up = Signal(reset_less=True)
        inexact = Signal(reset_less=True)
        up_next = Signal()
        inexact_next = Signal()
        some = half | sticky
        at_23, at_22 = added & (product[23] ^ product[24]), added & (product[22] ^ product[24])
        round_21 = Mux(added, half & (sticky | out[0]), up)
        m.d.comb += [
            up_next.eq(Mux(at_23, out[1] & (product[0] | out[0] | some),
                           out.all() & (at_22 | round_21))),
            inexact_next.eq(~at_23 & Mux(at_22, Mux(out[1], ~out[0], out[0] & some),
                                         (out != round_21.replicate(2)) | (inexact & ~added))),
        ]
        with m.If(self.scale):
            m.d.sync += [register.eq(0) for register in (added, half, sticky, up, inexact)]
        with m.Else():
            m.d.sync += [
                added.eq(digit.any()), half.eq(out[1]), sticky.eq(some | out[0]),
                up.eq(up_next), inexact.eq(inexact_next),
            ]
        return up_next, inexact_next

    @staticmethod
    def _left(m, at, acc, byte, beyond, more):
        """Whether something of the sum is left at the end, or ``more`` is, which makes the result
        saturate. Registers keep synthesis from merging the comparisons into larger ones that take
        more LUTs."""
        def differ(low, high):
            groups = []
            for bit in range(low, high, 3):
                group = Signal(name=f"differ_{bit}", reset_less=True)
                m.d.sync += group.eq(_differ(acc[bit:min(bit + 4, high + 1)]))
                groups.append(group)
            return Cat(groups).any()
        negative = acc[31]
        from_16 = beyond[0] | differ(16, 24)
        from_8 = from_16 | differ(8, 16)
        above = Mux(at.upper, ~at.byte_low & beyond[0], Mux(at.byte_low, from_16, from_8))
        from_place = []
        for k in (6, 4, 2, 0):
            above = above | (byte[k] ^ negative) | (byte[k + 1] ^ negative)
            from_place.insert(0, above)
        left = Signal(reset_less=True)
        m.d.sync += left.eq((~at.past & at.of_four(from_place)) | more)
        return left

    def _biased(self, value):
        """A code as if the output were uint8."""
        return Cat(value[:7], value[7] ^ self.ysigned)

    def _rounded(self, m, product, up, inexact):
        """The integer part, rounded, with the zero point added in biased form; 9 bits.

        The carry moves from the lowest bit up to the half if ``all_up`` are alike.
        """
        low, half_bit, integer = product[:13], product[13], product[14:22]
        all_up = Signal()
        round_ = Signal()
        m.d.comb += all_up.eq(
            ~(_differ(low[0:4]) | _differ(low[4:8]) | _differ(low[8:12]) | _differ(low[0::4]))
            & (low[0] == up))
        m.d.comb += round_.eq(Mux(half_bit, ~all_up | up | inexact | integer[0],
                                  all_up & up & integer[0]))
        total = Signal(9)
        m.d.comb += total.eq((Cat(1, self._biased(self.zy)) + Cat(round_, integer))[1:])
        return total

    def _result(self, m, time, byte, negative, huge, total):
        """Clamp the result, and keep the largest: the maximum begins at ``lo``, which leaves one
        bound to compare with. The result is stored inverted, for comparisons to be additions, and
        is 0 in other cycles."""
        inverse = Signal(8, reset_less=True)
        with m.If(time.rounding_n):
            m.d.sync += inverse.eq(0xFF)
        with m.Else():
            m.d.sync += inverse.eq(~self._biased(total))
        over = Signal(reset_less=True)
        under = Signal(reset_less=True)
        m.d.sync += [
            over.eq(~negative & (huge | total[8])),
            under.eq(negative & (huge | ~total[8])),
        ]

        def reaches(bound, name):
            """Whether the result is ``bound`` or more."""
            sum_ = Signal(9, name=name)
            m.d.comb += sum_.eq(self._biased(inverse) + self._biased(bound))
            return over | ~sum_[8]
        y = Signal(8, reset_less=True)
        m.d.comb += self.y.eq(y)
        at_most = reaches(y, "beside_largest")
        with m.If(self.raw | time.first | (time.clamping & ~under & at_most)):
            m.d.sync += y.eq((byte & self.raw.replicate(8)) | (self.lo & time.first.replicate(8)) |
                             Mux(time.clamping & reaches(self.hi, "beside_hi"), self.hi, ~inverse))
