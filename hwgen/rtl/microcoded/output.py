"""The output unit: sums psums, and requantises the sum with the float32 arithmetic of ONNX Runtime.

It does what :class:`~hwgen.rtl.parallel.store.requant.Requant` does, in several cycles and without
a multiplier block. The sum's bits are the digits of the multiplication, two a cycle from the
lowest, and the product moves right under the scale's significand. So nothing has to be normalised:
when the sum's last 1 has been multiplied, the product's first 24 bits fill the register. It moves
on until its integer part stands where it is taken, and how long that takes only depends on the
scale's exponent.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ..block import Block

__all__ = ["OutputUnit"]


def _differ(bits):
    """Whether bits differ from each other."""
    return (bits[1:] ^ bits[:-1]).any()


def _majority(a, b, c):
    return (a & b) | (a & c) | (b & c)


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

        def registers(names):
            return [Signal(name=name, reset_less=True) for name in names.split()]

        acc = Signal(32, reset_less=True)
        with m.If(self.load | self.add):
            m.d.sync += acc.eq(Mux(self.load, self.word, acc + self.word))
        negative = acc[31]

        # Two bits of the sum are multiplied in each cycle until half the exponent has counted to
        # 68: then the product's integer part begins at bit 14. (An odd exponent's product has to
        # move a bit less far, for which its digits come a bit later.) So 24 bits of product hold
        # 1023, and what is left of the sum then would make it 512 or more. That, and all from 256,
        # is more than any zero point brings back into range. Each two bits of the counter have
        # their own clock enable, which saves carries.
        exponent = Signal(7, reset_less=True)
        odd, = registers("odd")
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

        # The last digits are multiplied in the cycle after they were chosen, in the next the
        # product is rounded, in the last the result clamped. `first` begins the maximum at `lo`,
        # which leaves one bound to compare with.
        first, rounding_n, clamping = registers("first_r rounding_n clamping")
        m.d.sync += [
            first.eq(self.scale & self.first),
            rounding_n.eq(~(self.busy & done & rounding_n & ~clamping)),
            clamping.eq(~rounding_n),
            self.busy.eq(self.scale | (self.busy & ~clamping)),
        ]

        # The next two bits of the sum, at `place` in one of its bytes. `lower` is the inverse of
        # `upper`, but a register of its own, so that synthesis does not know: with both, selecting
        # from four takes two LUTs. `past` all bits, the digits are 0.
        place = Signal(2, reset_less=True)
        byte_low, upper, lower, past = registers("byte_low upper lower past")
        with m.If(self.load | self.scale):
            m.d.sync += [place.eq(0), byte_low.eq(0), upper.eq(0), lower.eq(1), past.eq(0)]
        with m.Elif(self.raw | (~rest & ~past)):
            next_byte = self.raw | place.all()
            next_upper = upper ^ (byte_low & next_byte)
            m.d.sync += [
                place[0].eq(~place[0] & ~self.raw),
                place[1].eq(place[1] ^ place[0]),
                byte_low.eq(byte_low ^ next_byte),
                upper.eq(next_upper),
                lower.eq(~next_upper),
                past.eq(Cat(place, byte_low, upper).all()),
            ]

        def of_four(items):
            return Mux(place[1], Mux(place[0], items[3], items[2]),
                       Mux(place[0], items[1], items[0]))
        byte = Signal(8)
        for k in range(8):
            below = Mux(lower, Mux(byte_low, acc[k + 8], acc[k]), byte_low)
            m.d.comb += byte[k].eq(Mux(upper, Mux(below, acc[k + 24], acc[k + 16]), below))
        bit_0 = Signal()
        bit_1 = Signal()
        m.d.comb += [bit_0.eq(of_four(byte[0::2])), bit_1.eq(of_four(byte[1::2]))]

        # Of a magnitude of more than 24 bits the lowest are dropped: those of `beyond`, the bits
        # from 24 on that are not all the sign from there up.
        beyond = Signal(8)
        m.d.comb += [
            beyond[4].eq(_differ(acc[28:])), beyond[5].eq(_differ(acc[29:])),
            beyond[6].eq(_differ(acc[30:])),
            beyond[3].eq(beyond[4] | _differ(acc[27:29])),
            beyond[2].eq(beyond[4] | _differ(acc[26:29])),
            beyond[1].eq(beyond[2] | _differ(acc[25:27])),
            beyond[0].eq(beyond[2] | _differ(acc[24:27])),
        ]
        lowest = ~past & ~upper & ~byte_low
        drop_0 = Signal()
        drop_1 = Signal()
        m.d.comb += [
            drop_0.eq(lowest & of_four(beyond[0::2])),
            drop_1.eq(lowest & of_four(beyond[1::2])),
        ]

        # The digits are the magnitude's bits. `carry` is that of the negation, exclusive or the
        # sign, so that a digit is its exclusive or with the bit. While bits are dropped, `held` is
        # the last of them and `carry` whether any before it is 1: they tell how to round to nearest
        # even, in two's complement. Exclusive or the sign, that is the carry of rounding and
        # negation together into the first bit that is not dropped. Otherwise `held` is the digit
        # before.
        carry, dropped, held = registers("carry dropped held")
        carry_0, carry_1, digit_0, digit_1 = (
            Signal(name=name) for name in ("carry_0", "carry_1", "digit_0", "digit_1"))
        m.d.comb += [
            carry_0.eq(Mux(drop_0, carry | held | (bit_1 & ~drop_1),
                           Mux(dropped, held & (carry | bit_0), carry))),
            carry_1.eq(_majority(carry_0, bit_0, Mux(drop_0, drop_1, negative))),
            digit_0.eq((carry_0 ^ bit_0) & ~drop_0 & ~past),
            digit_1.eq((carry_1 ^ bit_1) & ~drop_1 & ~past),
        ]
        with m.If(self.scale):
            m.d.sync += [carry.eq(0), dropped.eq(0), held.eq(0)]
        with m.Else():
            m.d.sync += [
                carry.eq(Mux(drop_1, carry_1, _majority(carry_1, bit_1, negative))),
                dropped.eq(drop_1),
                held.eq((drop_1 & bit_1) | digit_1),
            ]
        late = held & ~dropped & odd
        digit = Signal(2, reset_less=True)
        with m.If(rest):
            m.d.sync += digit.eq(0)
        with m.Else():
            m.d.sync += digit.eq(Mux(odd, Cat(late, digit_0), Cat(digit_0, digit_1)))

        # The product, with the sign of the sum; two bits of it move `out` in each cycle. A bit of a
        # conditional sum takes one LUT.
        significand = Signal(23, reset_less=True)
        product = Signal(25, reset_less=True)
        out = Signal(2, reset_less=True)
        with m.If(self.scale):
            m.d.sync += significand.eq(self.word[:23] ^ negative.replicate(23))

        def add_if(digit, value, name):
            sum_ = Signal(len(value) + 1, name=name)
            extended = Cat(value, value[-1])
            added = Cat(1, extended) + Cat(negative, significand, ~negative, negative, negative)
            m.d.comb += sum_.eq(Mux(digit, added[1:], extended))
            return sum_
        sum_0 = add_if(digit[0], product, "sum_0")
        sum_1 = add_if(digit[1], sum_0[1:], "sum_1")

        # Rounding to the 24 bits that begin with the first 1 (or 0, of a negative product). If the
        # digits just `added` were the last that are not 0, that is bit 23, 22 or 21, and the lowest
        # of the 24 is bit 0 or has moved out already. `up` is the carry of the rounding into what
        # has not moved out; `inexact` tells that of the 24 bits, rounded, a 1 has. (Never both.)
        # After digits of 0 two more bits have moved out, to which the carry is added; after others
        # the rounding begins anew, for which `half` and `sticky` are kept of all that moved out.
        added, half, sticky, up, inexact = registers("added half sticky up inexact")
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
            m.d.sync += [register.eq(0) for register in (
                product, out, added, half, sticky, up, inexact)]
        with m.Else():
            m.d.sync += [
                product.eq(sum_1[1:]), out.eq(Cat(sum_0[0], sum_1[0])), added.eq(digit.any()),
                half.eq(out[1]), sticky.eq(some | out[0]),
                up.eq(up_next), inexact.eq(inexact_next),
            ]

        # What is left of the sum, at the end, makes the result saturate. Registers keep synthesis
        # from merging the comparisons into larger ones that take more LUTs.
        def differ(low, high):
            groups = []
            for bit in range(low, high, 3):
                group = Signal(name=f"differ_{bit}", reset_less=True)
                m.d.sync += group.eq(_differ(acc[bit:min(bit + 4, high + 1)]))
                groups.append(group)
            return Cat(groups).any()
        from_16 = beyond[0] | differ(16, 24)
        from_8 = from_16 | differ(8, 16)
        above = Mux(upper, ~byte_low & beyond[0], Mux(byte_low, from_16, from_8))
        from_place = []
        for k in (6, 4, 2, 0):
            above = above | (byte[k] ^ negative) | (byte[k + 1] ^ negative)
            from_place.insert(0, above)
        left = Signal(reset_less=True)
        huge = Signal()
        m.d.sync += left.eq((~past & of_four(from_place)) | (carry ^ negative) | late)
        m.d.comb += huge.eq(left | (product[22] ^ negative) | (product[23] ^ negative))

        # The integer part is rounded, and the zero point added in biased form: as if the output
        # were uint8. The carry moves from the lowest bit up to the half if `all_up` are alike. The
        # result is stored inverted, for comparisons to be additions, and is 0 in other cycles.
        def biased(value):
            return Cat(value[:7], value[7] ^ self.ysigned)
        low, half_bit, integer = product[:13], product[13], product[14:22]
        all_up = Signal()
        round_ = Signal()
        m.d.comb += all_up.eq(
            ~(_differ(low[0:4]) | _differ(low[4:8]) | _differ(low[8:12]) | _differ(low[0::4]))
            & (low[0] == up_next))
        m.d.comb += round_.eq(Mux(half_bit, ~all_up | up_next | inexact_next | integer[0],
                                  all_up & up_next & integer[0]))
        total = Signal(9)
        m.d.comb += total.eq((Cat(1, biased(self.zy)) + Cat(round_, integer))[1:])
        inverse = Signal(8, reset_less=True)
        with m.If(rounding_n):
            m.d.sync += inverse.eq(0xFF)
        with m.Else():
            m.d.sync += inverse.eq(~biased(total))
        over, under = registers("over under")
        m.d.sync += [
            over.eq(~negative & (huge | total[8])),
            under.eq(negative & (huge | ~total[8])),
        ]

        def reaches(bound):
            """Whether the result is ``bound`` or more."""
            sum_ = Signal(9)
            m.d.comb += sum_.eq(biased(inverse) + biased(bound))
            return over | ~sum_[8]
        y = Signal(8, reset_less=True)
        m.d.comb += self.y.eq(y)
        with m.If(self.raw | first | (clamping & ~under & reaches(y))):
            m.d.sync += y.eq((byte & self.raw.replicate(8)) | (self.lo & first.replicate(8)) |
                             Mux(clamping & reaches(self.hi), self.hi, ~inverse))
        return m
