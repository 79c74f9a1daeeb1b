/* The driver in C on the simulated accelerator: its registers are those of the harness. */

#include <stdint.h>

struct hwgen_device;
uint32_t port_read(const struct hwgen_device *device, uint32_t offset);
void port_write(const struct hwgen_device *device, uint32_t offset, uint32_t value);
void port_range(const struct hwgen_device *device, int clean, const void *pointer, uint64_t bytes);

#define HWGEN_READ32(device, offset) port_read(device, (uint32_t)(offset))
#define HWGEN_WRITE32(device, offset, value) port_write(device, (uint32_t)(offset), value)
#define HWGEN_CLEAN(pointer, bytes) port_range(device, 1, pointer, bytes)
#define HWGEN_INVALIDATE(pointer, bytes) port_range(device, 0, pointer, bytes)

/* The interface of the harness. */
struct settings {
    uint64_t base, fail_read, fail_write, flip_last, seed;
    uint32_t read_latency, write_latency, read_rate, write_rate, total_rate, outstanding, stall;
};
struct harness;
struct harness *harness_create(uint8_t *memory, uint64_t size);
void harness_destroy(struct harness *harness);
void harness_configure(struct harness *harness, const struct settings *settings);
void harness_reset(struct harness *harness, uint32_t cycles);
uint64_t harness_run(struct harness *harness, uint64_t cycles);
int harness_read(struct harness *harness, uint32_t address, uint32_t *data);
int harness_write(struct harness *harness, uint32_t address, uint32_t data);
int harness_irq(const struct harness *harness);
const char *harness_violation(const struct harness *harness);
