/* Runs the example of docs/driver.md, classify(), on the simulated accelerator.
 *
 *     c_example IMAGE PIXELS
 */

#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hwgen.h"

#define ADDRESS 0x40000000u
#define BYTES (1u << 20)

int classify(const unsigned char pixels[28 * 28]);

unsigned char lenet5_image[BYTES];

static struct harness *harness;

uint32_t port_read(const struct hwgen_device *device, uint32_t offset)
{
    uint32_t value;
    if (device->registers != (void *)0xA0000000 || harness_read(harness, offset, &value))
        abort();
    return value;
}

void port_write(const struct hwgen_device *device, uint32_t offset, uint32_t value)
{
    if (device->registers != (void *)0xA0000000 || harness_write(harness, offset, value))
        abort();
}

void port_range(const struct hwgen_device *device, int clean, const void *pointer, uint64_t bytes)
{
    (void)device, (void)clean, (void)pointer, (void)bytes;
}

int main(int count, char **arguments)
{
    unsigned char pixels[28 * 28];
    const struct settings settings = {.base = ADDRESS, .fail_read = UINT64_MAX,
                                      .fail_write = UINT64_MAX, .flip_last = UINT64_MAX,
                                      .read_latency = 40, .write_latency = 10, .outstanding = 8};
    void *memory = mmap((void *)ADDRESS, BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    FILE *image = fopen(arguments[1], "rb"), *picture = fopen(arguments[2], "rb");
    if (count != 3 || memory != (void *)ADDRESS || !image || !picture ||
        !fread(lenet5_image, 1, BYTES, image) ||
        fread(pixels, 1, sizeof pixels, picture) != sizeof pixels)
        abort();
    harness = harness_create(memory, BYTES);
    harness_configure(harness, &settings);
    harness_reset(harness, 16);
    printf("%d\n", classify(pixels));
    harness_destroy(harness);
    return 0;
}
