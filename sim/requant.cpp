// Streams a file of vectors through the requant block and writes its outputs, a byte each.
//
//     Vrequant VECTORS OUTPUTS
//
// A vector is 12 bytes, as sim/tb_requant.py lays them out. The block's delays are macros.

#include <cstdint>
#include <cstdio>
#include <vector>

#include "Vrequant.h"
#include "verilated.h"

struct Vector {
    int32_t acc;
    uint32_t scale;
    uint8_t zy, lo, hi, ysigned;
};
static_assert(sizeof(Vector) == 12);

int main(int argc, char** argv) {
    if (argc != 3) return std::fputs("usage: Vrequant VECTORS OUTPUTS\n", stderr), 2;
    std::FILE* in = std::fopen(argv[1], "rb");
    std::FILE* out = std::fopen(argv[2], "wb");
    if (!in || !out) return std::perror("Vrequant"), 1;
    std::vector<Vector> vectors;
    for (Vector v; std::fread(&v, sizeof v, 1, in) == 1;) vectors.push_back(v);

    Vrequant dut;
    dut.rst = 0;
    dut.en = 1;
    const size_t count = vectors.size();
    const auto at = [&](size_t cycle, size_t delay) {
        return cycle >= delay && cycle - delay < count ? vectors[cycle - delay] : Vector{};
    };
    for (size_t cycle = 0; cycle < count + LATENCY; ++cycle) {
        if (cycle >= LATENCY) std::fputc(dut.y, out);
        const Vector range = at(cycle, RANGE_DELAY);
        dut.acc = at(cycle, 0).acc;
        dut.scale = at(cycle, SCALE_DELAY).scale;
        dut.zy = range.zy;
        dut.lo = range.lo;
        dut.hi = range.hi;
        dut.ysigned = range.ysigned;
        dut.clk = 0;
        dut.eval();
        dut.clk = 1;
        dut.eval();
    }
    dut.final();
    return std::fclose(out) ? 1 : 0;
}
