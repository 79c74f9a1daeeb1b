// The world around the accelerator, for Verilator: clock and reset, a DRAM behind the AXI4 master,
// an AXI4-Lite master for the registers. Compiled with the verilated design into a shared library;
// hwgen/simulate/verilated.py is its only caller.
//
// A cycle is two evaluations. The first, with the clock low, lets the inputs settle and shows every
// handshake of the cycle; the second is the rising edge. The DRAM's next inputs follow from the
// handshakes, so that nothing in this file is combinational from the design's outputs to its inputs.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "Vdesign.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Waves = VerilatedFstC;
#elif VM_TRACE
#include "verilated_vcd_c.h"
using Waves = VerilatedVcdC;
#endif

namespace {

constexpr unsigned kOkay = 0, kSlaveError = 2, kDecodeError = 3;
constexpr uint64_t kLiteLimit = 10000;  // cycles that an AXI4-Lite transfer may take

// The same fields in the same order as verilated.py's _Settings.
struct Settings {
    uint64_t base;           // address of the memory's first byte
    uint64_t fail_read;      // a read beat that holds this address answers SLVERR
    uint64_t fail_write;     // a write burst that touches this address answers SLVERR
    uint64_t flip_last;      // a read beat that holds this address has the wrong RLAST
    uint64_t seed;           // of the stalls
    uint32_t read_latency;   // cycles from AR to the first R beat
    uint32_t write_latency;  // cycles from the last W beat to B
    uint32_t read_rate;      // 1/1024 bytes a cycle; 0: no limit
    uint32_t write_rate;
    uint32_t total_rate;     // of reads and writes together
    uint32_t outstanding;    // bursts accepted ahead, 1 to 16, for reads and for writes
    uint32_t stall;          // chance of a stall, on each channel and cycle, in 1/256
};

struct Burst {
    uint64_t address;
    uint64_t due;  // cycle of the first beat or of the response
    uint32_t beats;
    uint8_t id;
    uint8_t response;
};

template <typename T>
class Queue {
public:
    bool empty() const { return head_ == tail_; }
    unsigned size() const { return tail_ - head_; }
    T& front() { return items_[head_ % kDepth]; }
    void push(const T& item) { items_[tail_++ % kDepth] = item; }
    void pop() { ++head_; }
    void clear() { head_ = tail_; }

private:
    static constexpr unsigned kDepth = 32;
    T items_[kDepth];
    unsigned head_ = 0, tail_ = 0;
};

// A limit of bytes a cycle. Credit may go below zero, which is paid back before the next beat.
class Rate {
public:
    void configure(uint32_t rate, unsigned beat) {
        rate_ = rate;
        beat_ = int32_t(beat) * 1024;
        credit_ = beat_;
    }
    void cycle() {
        if (credit_ < beat_ + rate_) credit_ += rate_;
    }
    bool limited() const { return rate_; }
    bool ready() const { return !rate_ || credit_ >= beat_; }
    void spend() {
        if (rate_) credit_ -= beat_;
    }

private:
    int32_t rate_ = 0, beat_ = 0, credit_ = 0;
};

// What a channel showed while it waited; AXI demands that it shows the same until it is taken.
struct Request {
    uint64_t address;
    uint8_t len, size, burst, id;
    bool operator==(const Request& other) const {
        return address == other.address && len == other.len && size == other.size &&
               burst == other.burst && id == other.id;
    }
};

class Harness {
public:
    static constexpr unsigned kBusBytes = sizeof(Vdesign::m_axi_rdata);

    Harness(uint8_t* memory, uint64_t size) : memory_{memory}, size_{size} {
        context_.traceEverOn(VM_TRACE);
        top_ = std::make_unique<Vdesign>(&context_);
        top_->aclk = 1;
        top_->aresetn = 0;
        top_->s_axi_awvalid = top_->s_axi_wvalid = top_->s_axi_arvalid = 0;
        top_->s_axi_bready = top_->s_axi_rready = 0;
    }

    ~Harness() {
        trace(nullptr);
        top_->final();
    }

    void configure(const Settings& settings) {
        settings_ = settings;
        random_ = settings.seed * 2 + 1;
        read_rate_.configure(settings.read_rate, kBusBytes);
        write_rate_.configure(settings.write_rate, kBusBytes);
        total_rate_.configure(settings.total_rate, kBusBytes);
    }

    void reset(unsigned cycles) {
        top_->aresetn = 0;
        reads_.clear();
        writes_.clear();
        responses_.clear();
        read_beat_ = write_beat_ = 0;
        top_->m_axi_rvalid = top_->m_axi_bvalid = 0;
        waiting_ar_ = waiting_aw_ = waiting_w_ = false;
        for (unsigned i = 0; i < cycles; ++i) step();
        top_->aresetn = 1;
        step();
    }

    uint64_t run(uint64_t cycles) {
        const uint64_t end = cycle_ + cycles, start = cycle_;
        while (cycle_ != end && !top_->irq && violation_.empty()) step();
        return cycle_ - start;
    }

    int read(uint32_t address, uint32_t* data) {
        top_->s_axi_araddr = address;
        top_->s_axi_arprot = 0;
        unsigned delay = pause(), ready_delay = pause();
        bool requested = false;
        for (uint64_t n = 0; n < kLiteLimit; ++n) {
            top_->s_axi_arvalid = !requested && n >= delay;
            top_->s_axi_rready = n >= ready_delay;
            settle();
            const bool taken = top_->s_axi_arvalid && top_->s_axi_arready;
            const bool answered = top_->s_axi_rvalid && top_->s_axi_rready;
            const int response = top_->s_axi_rresp;
            *data = top_->s_axi_rdata;
            edge();
            requested |= taken;
            if (answered) {
                top_->s_axi_arvalid = top_->s_axi_rready = 0;
                if (!requested) fail("an AXI4-Lite read was answered before it was requested");
                return response;
            }
        }
        top_->s_axi_arvalid = top_->s_axi_rready = 0;
        return -1;
    }

    int write(uint32_t address, uint32_t data) {
        top_->s_axi_awaddr = address;
        top_->s_axi_awprot = 0;
        top_->s_axi_wdata = data;
        top_->s_axi_wstrb = 0xF;
        unsigned delay = pause(), data_delay = pause(), ready_delay = pause();
        bool requested = false, given = false;
        for (uint64_t n = 0; n < kLiteLimit; ++n) {
            top_->s_axi_awvalid = !requested && n >= delay;
            top_->s_axi_wvalid = !given && n >= data_delay;
            top_->s_axi_bready = n >= ready_delay;
            settle();
            const bool taken = top_->s_axi_awvalid && top_->s_axi_awready;
            const bool data_taken = top_->s_axi_wvalid && top_->s_axi_wready;
            const bool answered = top_->s_axi_bvalid && top_->s_axi_bready;
            const int response = top_->s_axi_bresp;
            edge();
            requested |= taken;
            given |= data_taken;
            if (answered) {
                top_->s_axi_awvalid = top_->s_axi_wvalid = top_->s_axi_bready = 0;
                if (!requested || !given)
                    fail("an AXI4-Lite write was answered before it was complete");
                return response;
            }
        }
        top_->s_axi_awvalid = top_->s_axi_wvalid = top_->s_axi_bready = 0;
        return -1;
    }

    bool irq() const { return top_->irq; }
    const char* violation() const { return violation_.empty() ? nullptr : violation_.c_str(); }
    void statistics(uint64_t* out) const {
        const uint64_t values[] = {cycle_,        read_beats_, write_beats_, read_bursts_,
                                   write_bursts_, longest_,    outside_};
        std::memcpy(out, values, sizeof values);
    }

    // Opens a trace file, or closes it (null). False if the library was built without tracing.
    bool trace(const char* path) {
#if VM_TRACE
        if (waves_) {
            waves_->close();
            waves_.reset();
        }
        if (path) {
            waves_ = std::make_unique<Waves>();
            top_->trace(waves_.get(), 99);
            waves_->open(path);
            return waves_->isOpen();
        }
        return true;
#else
        return !path;
#endif
    }

    // Whether the cycles from now on go into the trace file.
    void record(bool on) {
#if VM_TRACE
        recording_ = on;
#else
        (void)on;
#endif
    }

private:
    void fail(const std::string& what) {
        if (violation_.empty()) violation_ = what + " in cycle " + std::to_string(cycle_);
    }

    bool stalled() {
        if (!settings_.stall) return false;
        random_ = random_ * 6364136223846793005u + 1442695040888963407u;
        return (random_ >> 40 & 255) < settings_.stall;
    }

    // Cycles that a channel of the AXI4-Lite master waits before it moves.
    unsigned pause() {
        unsigned cycles = 0;
        while (cycles < 32 && stalled()) ++cycles;
        return cycles;
    }

    void step() {
        settle();
        edge();
    }

    void settle() {
        top_->aclk = 0;
        top_->eval();
        dump(0);
    }

    void edge() {
        const bool running = top_->aresetn;
        if (silent_ && (top_->m_axi_arvalid || top_->m_axi_awvalid || top_->m_axi_wvalid))
            fail("ARVALID, AWVALID or WVALID is high after an edge in reset");
        silent_ = !running;
        const bool ar = running && request_ar();
        const bool aw = running && request_aw();
        const bool w = running && data_w();
        const bool r = top_->m_axi_rvalid && top_->m_axi_rready;
        const bool b = top_->m_axi_bvalid && top_->m_axi_bready;
        top_->aclk = 1;
        top_->eval();
        dump(1);
        ++cycle_;
        read_rate_.cycle();
        write_rate_.cycle();
        total_rate_.cycle();
        if (!running) return;
        serve_reads(ar, r);
        serve_writes(aw, w, b);
    }

    void dump(unsigned half) {
#if VM_TRACE
        if (waves_ && recording_) waves_->dump(2 * cycle_ + half);
#endif
    }

    bool request_ar() {
        if (!top_->m_axi_arvalid) {
            if (waiting_ar_) fail("ARVALID fell before ARREADY");
            return waiting_ar_ = false;
        }
        const Request now = {top_->m_axi_araddr, top_->m_axi_arlen, top_->m_axi_arsize,
                             top_->m_axi_arburst, top_->m_axi_arid};
        if (waiting_ar_ && !(now == ar_)) fail("the AR channel changed while it waited");
        ar_ = now;
        waiting_ar_ = !top_->m_axi_arready;
        if (!waiting_ar_) check("read", ar_);
        return !waiting_ar_;
    }

    bool request_aw() {
        if (!top_->m_axi_awvalid) {
            if (waiting_aw_) fail("AWVALID fell before AWREADY");
            return waiting_aw_ = false;
        }
        const Request now = {top_->m_axi_awaddr, top_->m_axi_awlen, top_->m_axi_awsize,
                             top_->m_axi_awburst, top_->m_axi_awid};
        if (waiting_aw_ && !(now == aw_)) fail("the AW channel changed while it waited");
        aw_ = now;
        waiting_aw_ = !top_->m_axi_awready;
        if (!waiting_aw_) check("write", aw_);
        return !waiting_aw_;
    }

    bool data_w() {
        if (!top_->m_axi_wvalid) {
            if (waiting_w_) fail("WVALID fell before WREADY");
            return waiting_w_ = false;
        }
        if (waiting_w_ && (std::memcmp(w_data_, &top_->m_axi_wdata, kBusBytes) ||
                           w_strobe_ != top_->m_axi_wstrb || w_last_ != top_->m_axi_wlast))
            fail("the W channel changed while it waited");
        std::memcpy(w_data_, &top_->m_axi_wdata, kBusBytes);
        w_strobe_ = top_->m_axi_wstrb;
        w_last_ = top_->m_axi_wlast;
        waiting_w_ = !top_->m_axi_wready;
        return !waiting_w_;
    }

    void check(const char* kind, const Request& request) {
        const uint64_t first = request.address / kBusBytes * kBusBytes;
        const uint64_t last = first + (request.len + 1) * kBusBytes - 1;
        char text[96] = "";
        if (request.burst != 1)
            std::snprintf(text, sizeof text, "has burst type %u, not INCR", request.burst);
        else if (1u << request.size != kBusBytes)
            std::snprintf(text, sizeof text, "has beats of %u bytes", 1u << request.size);
        else if (first >> 12 != last >> 12)
            std::snprintf(text, sizeof text, "of %u beats crosses 4 KiB", request.len + 1u);
        longest_ = std::max<uint64_t>(longest_, request.len + 1u);
        if (*text) {
            char where[64];
            std::snprintf(where, sizeof where, "the %s burst at 0x%llx ", kind,
                          static_cast<unsigned long long>(request.address));
            fail(std::string(where) + text);
        }
    }

    // The memory behind a beat, or null outside of it.
    uint8_t* at(uint64_t address) {
        const uint64_t offset = address / kBusBytes * kBusBytes - settings_.base;
        return offset < size_ && size_ - offset >= kBusBytes ? memory_ + offset : nullptr;
    }

    static bool holds(uint64_t beat, uint64_t address) {
        return beat / kBusBytes == address / kBusBytes;
    }

    // Reads and writes that share a bandwidth take turns.
    bool write_next() const {
        return total_rate_.limited() && read_last_ && waiting_w_ && !writes_.empty() &&
               write_rate_.ready();
    }

    void serve_reads(bool request, bool taken) {
        if (request) {
            reads_.push({ar_.address, cycle_ + settings_.read_latency, ar_.len + 1u, ar_.id, 0});
            ++read_bursts_;
        }
        if (taken) {
            ++read_beats_;
            top_->m_axi_rvalid = 0;
        }
        if (!top_->m_axi_rvalid && !reads_.empty() && reads_.front().due <= cycle_ &&
            read_rate_.ready() && total_rate_.ready() && !write_next() && !stalled()) {
            read_rate_.spend();
            total_rate_.spend();
            read_last_ = true;
            const Burst& burst = reads_.front();
            const uint64_t address = burst.address + uint64_t(read_beat_) * kBusBytes;
            const uint8_t* source = at(address);
            outside_ += !source;
            if (source)
                std::memcpy(&top_->m_axi_rdata, source, kBusBytes);
            else
                std::memset(&top_->m_axi_rdata, 0xA5, kBusBytes);
            top_->m_axi_rresp = !source ? kDecodeError
                                : holds(address, settings_.fail_read) ? kSlaveError : kOkay;
            top_->m_axi_rid = burst.id;
            const bool last = ++read_beat_ == burst.beats;
            top_->m_axi_rlast = last != holds(address, settings_.flip_last);
            top_->m_axi_rvalid = 1;
            if (last) {
                read_beat_ = 0;
                reads_.pop();
            }
        }
        top_->m_axi_arready = reads_.size() < settings_.outstanding && !stalled();
    }

    void serve_writes(bool request, bool data, bool taken) {
        if (data) {
            Burst& burst = writes_.front();
            const uint64_t address = burst.address + uint64_t(write_beat_) * kBusBytes;
            uint8_t* target = at(address);
            outside_ += !target;
            if (!target)
                burst.response = kDecodeError;
            else if (holds(address, settings_.fail_write))
                burst.response = kSlaveError;
            else
                for (unsigned i = 0; i < kBusBytes; ++i)
                    if (w_strobe_ >> i & 1) target[i] = w_data_[i];
            ++write_beats_;
            write_rate_.spend();
            total_rate_.spend();
            read_last_ = false;
            if (w_last_ != (++write_beat_ == burst.beats))
                fail("WLAST does not stand on the last beat of its burst,");
            if (write_beat_ == burst.beats) {
                write_beat_ = 0;
                burst.due = cycle_ + settings_.write_latency;
                responses_.push(burst);
                writes_.pop();
            }
        }
        if (request) {
            writes_.push({aw_.address, 0, aw_.len + 1u, aw_.id, kOkay});
            ++write_bursts_;
        }
        if (taken) top_->m_axi_bvalid = 0;
        if (!top_->m_axi_bvalid && !responses_.empty() && responses_.front().due <= cycle_ &&
            !stalled()) {
            top_->m_axi_bid = responses_.front().id;
            top_->m_axi_bresp = responses_.front().response;
            top_->m_axi_bvalid = 1;
            responses_.pop();
        }
        top_->m_axi_awready = writes_.size() < settings_.outstanding && !stalled();
        top_->m_axi_wready = !writes_.empty() && responses_.size() < settings_.outstanding &&
                             write_rate_.ready() && total_rate_.ready() && !stalled();
    }

    VerilatedContext context_;
    std::unique_ptr<Vdesign> top_;
#if VM_TRACE
    std::unique_ptr<Waves> waves_;
    bool recording_ = false;
#endif
    uint8_t* memory_;
    uint64_t size_;
    Settings settings_{};
    uint64_t random_ = 1;
    std::string violation_;
    uint64_t cycle_ = 0, read_beats_ = 0, write_beats_ = 0, read_bursts_ = 0, write_bursts_ = 0;
    uint64_t longest_ = 0;  // burst, in beats
    uint64_t outside_ = 0;  // beats for which there is no memory
    Queue<Burst> reads_, writes_, responses_;
    Rate read_rate_, write_rate_, total_rate_;
    uint32_t read_beat_ = 0, write_beat_ = 0;
    Request ar_{}, aw_{};
    uint8_t w_data_[kBusBytes];
    uint32_t w_strobe_ = 0;
    bool w_last_ = false, read_last_ = false;
    bool waiting_ar_ = false, waiting_aw_ = false, waiting_w_ = false;
    bool silent_ = false;  // the last edge was in reset
};

}  // namespace

extern "C" {

Harness* harness_create(uint8_t* memory, uint64_t size) { return new Harness(memory, size); }
void harness_destroy(Harness* harness) { delete harness; }
void harness_configure(Harness* harness, const Settings* settings) {
    harness->configure(*settings);
}
void harness_reset(Harness* harness, uint32_t cycles) { harness->reset(cycles); }
uint64_t harness_run(Harness* harness, uint64_t cycles) { return harness->run(cycles); }
int harness_read(Harness* harness, uint32_t address, uint32_t* data) {
    return harness->read(address, data);
}
int harness_write(Harness* harness, uint32_t address, uint32_t data) {
    return harness->write(address, data);
}
int harness_irq(const Harness* harness) { return harness->irq(); }
const char* harness_violation(const Harness* harness) { return harness->violation(); }
void harness_statistics(const Harness* harness, uint64_t* out) { harness->statistics(out); }
int harness_trace(Harness* harness, const char* path) { return harness->trace(path); }
void harness_record(Harness* harness, int on) { harness->record(on); }
uint32_t harness_bus_bytes() { return Harness::kBusBytes; }
}
