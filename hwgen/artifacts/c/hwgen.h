/* A driver for the accelerator whose registers.h stands beside, in freestanding C11.
 *
 * It allocates nothing and keeps no state but struct hwgen_device; of a C library it needs memcpy.
 * docs/driver.md has a worked example. A target that is reached in another way than by plain
 * loads and stores gives HWGEN_PORT, the name in quotes of a header that defines macros of its
 * own in place of those below.
 */

#ifndef HWGEN_H
#define HWGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "commands.h"
#include "registers.h"

#ifdef HWGEN_PORT
#include HWGEN_PORT
#endif

/* A register. (The packed hwgen_t would be read byte by byte on some machines.) */
#ifndef HWGEN_READ32
#define HWGEN_READ32(device, offset) (((volatile uint32_t *)(device)->registers)[(offset) / 4])
#define HWGEN_WRITE32(device, offset, value) \
    (((volatile uint32_t *)(device)->registers)[(offset) / 4] = (value))
#endif

/* Memory and registers are written and read in the order of the program. */
#ifndef HWGEN_BARRIER
#include <stdatomic.h>
#define HWGEN_BARRIER() atomic_thread_fence(memory_order_seq_cst)
#endif

/* For caches that do not see what the accelerator does: write back, and forget, a range. */
#ifndef HWGEN_CLEAN
#define HWGEN_CLEAN(pointer, bytes) ((void)(pointer), (void)(bytes))
#define HWGEN_INVALIDATE(pointer, bytes) ((void)(pointer), (void)(bytes))
#endif

/* Looks at STATUS that a soft reset may take. */
#ifndef HWGEN_RESET_LOOKS
#define HWGEN_RESET_LOOKS 1000000u
#endif

enum hwgen_status {
    HWGEN_OK,
    HWGEN_NO_DEVICE,     /* ID is another's: there is no accelerator at this address */
    HWGEN_OTHER_CONFIG,  /* device, registers.h and program are not of the same configuration */
    HWGEN_NO_MEMORY,     /* too little, not at a multiple of 4096, or beyond the address bits */
    HWGEN_NOT_READY,     /* a program runs, or one was stopped by an error and no reset followed */
    HWGEN_STOPPED,       /* the program was stopped by an error: hwgen_error tells which */
    HWGEN_TIMEOUT,       /* it still runs, or the reset does not end */
};

/* An accelerator and the memory that is its alone. */
struct hwgen_device {
    void *registers;     /* the AXI4-Lite slave */
    void *memory;        /* the memory, where the processor sees it */
    uint64_t address;    /* and where the accelerator does; a multiple of 4096 */
    uint64_t bytes;      /* of memory; programs that touch more are stopped, page by page */
    /* Called between two looks at the accelerator, for instance to sleep until its interrupt; false
     * gives up. Without one, the processor looks all the time, and the interrupt is not raised. */
    bool (*wait)(void *context);
    void *context;
};

/* A tensor in memory, as hwgen compile places it: value (c, h, w) is at offset +
 * c / group * group_stride + h * row_stride + (w * group + c % group) * value_bytes. It stands for
 * scale * (value - zero_point), if the network says so; else these are 1 and 0. */
struct hwgen_tensor {
    const char *name;
    uint32_t offset, channels, height, width, group, row_stride, group_stride;
    uint8_t value_bytes; /* 1 or 4 */
    bool is_signed;
    bool host;           /* written by the host, before the programs that read it */
    int32_t zero_point;
    float scale;
};

/* One program: a layer, or a part of one. */
struct hwgen_segment {
    const char *name;
    uint32_t offset;
    uint32_t limit;      /* units of 4096 cycles after which it is stopped; 0: never */
};

/* A compiled network, as program.h of hwgen compile has it. */
struct hwgen_program {
    const char *name;
    uint32_t config_hash;
    uint64_t image_bytes;   /* of program.bin */
    uint64_t memory_bytes;  /* needed in all */
    const struct hwgen_tensor *tensors;
    const struct hwgen_segment *segments;
    uint32_t tensor_count, segment_count;
};

/* What stopped a program; see docs/registers.md. */
struct hwgen_error {
    uint32_t code;       /* HWGEN_ERROR_... */
    uint64_t info;       /* address, opcode, magic or hash */
    uint32_t command;    /* index of the command at which the controller was */
};

/* The performance counters; see docs/registers.md. */
struct hwgen_counters {
#define HWGEN_FIELD(name, field) uint64_t field;
    HWGEN_COUNTERS(HWGEN_FIELD)
#undef HWGEN_FIELD
};

/* Check identity and configuration, and reset whatever an earlier program left. No register of a
 * device that is not ours is written. NO_DEVICE, OTHER_CONFIG, TIMEOUT. */
enum hwgen_status hwgen_open(const struct hwgen_device *device);

/* Soft reset: after an error, or to abandon a program. Memory keeps its contents. TIMEOUT. */
enum hwgen_status hwgen_reset(const struct hwgen_device *device);

/* Write a program's image, program.bin, to memory. OTHER_CONFIG, NO_MEMORY, NOT_READY. */
enum hwgen_status hwgen_load(const struct hwgen_device *device, const struct hwgen_program *program,
                             const void *image);

/* Write a tensor from values in the order [channel][row][column], or read it into such. */
void hwgen_write(const struct hwgen_device *device, const struct hwgen_tensor *tensor,
                 const void *values);
void hwgen_read(const struct hwgen_device *device, const struct hwgen_tensor *tensor,
                void *values);

/* Cycles without any progress that end a program with an error; 0: never. hwgen_open sets 2^20. */
void hwgen_watchdog(const struct hwgen_device *device, uint32_t cycles);

/* Start the program at an offset, which may run for so many units of 4096 cycles; 0: without end.
 * NOT_READY. */
enum hwgen_status hwgen_start(const struct hwgen_device *device, uint32_t offset, uint32_t limit);

/* Wait for the end of the program that was started: look at most so often, 0 for without end, and
 * call the device's wait in between. STOPPED, TIMEOUT; after TIMEOUT, wait again or reset. */
enum hwgen_status hwgen_wait(const struct hwgen_device *device, uint32_t looks);

/* Start a segment and wait for its end. NOT_READY, STOPPED, TIMEOUT. */
enum hwgen_status hwgen_run(const struct hwgen_device *device, const struct hwgen_segment *segment,
                            uint32_t looks);

/* Counters of the program that ended or was stopped last. */
void hwgen_counters(const struct hwgen_device *device, struct hwgen_counters *counters);

/* After STOPPED, until the next start. */
void hwgen_error(const struct hwgen_device *device, struct hwgen_error *error);

/* A sentence on an error code. */
const char *hwgen_error_text(uint32_t code);

#endif
