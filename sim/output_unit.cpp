// Runs a file of vectors through the output unit and writes its outputs, a byte each.
//
//     Voutput_unit VECTORS OUTPUTS
//
// A vector is 12 bytes, as sim/tb_requant.py lays them out. Prints the cycles in which the unit was
// busy, of all vectors together.

#include <cstdint>
#include <cstdio>

#include "Voutput_unit.h"
#include "verilated.h"

struct Vector {
    int32_t acc;
    uint32_t scale;
    uint8_t zy, lo, hi, ysigned;
};
static_assert(sizeof(Vector) == 12);

int main(int argc, char** argv) {
    if (argc != 3) return std::fputs("usage: Voutput_unit VECTORS OUTPUTS\n", stderr), 2;
    std::FILE* in = std::fopen(argv[1], "rb");
    std::FILE* out = std::fopen(argv[2], "wb");
    if (!in || !out) return std::perror("Voutput_unit"), 1;

    Voutput_unit dut;
    const auto cycle = [&dut] {
        dut.clk = 0;
        dut.eval();
        dut.clk = 1;
        dut.eval();
        dut.load = dut.add = dut.scale = 0;
    };
    dut.raw = 0;
    dut.first = 1;
    dut.rst = 1;
    cycle();
    dut.rst = 0;
    uint32_t part = 0;
    uint64_t busy = 0;
    for (Vector v; std::fread(&v, sizeof v, 1, in) == 1; std::fputc(dut.y, out)) {
        part = part * 1664525 + 1013904223;
        dut.word = part;
        dut.load = 1;
        cycle();
        dut.word = v.acc - part;
        dut.add = 1;
        cycle();
        dut.word = v.scale;
        dut.zy = v.zy;
        dut.lo = v.lo;
        dut.hi = v.hi;
        dut.ysigned = v.ysigned;
        dut.scale = 1;
        cycle();
        for (int limit = 100; dut.busy; cycle(), ++busy)
            if (!limit--) return std::fprintf(stderr, "scale %08x does not end\n", v.scale), 1;
    }
    std::printf("%llu\n", static_cast<unsigned long long>(busy));
    dut.final();
    return std::fclose(out) ? 1 : 0;
}
