/* LeNet-5 on the simulated accelerator, through the driver in C: every tensor to a file, counters
 * and errors as lines of text.
 *
 *     c_driver IMAGE INPUT OUTPUT
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

#define ADDRESS 0x40000000u
#define LOOKS 1000000u

static struct harness *harness;
static struct settings settings = {
    .base = ADDRESS, .fail_read = UINT64_MAX, .fail_write = UINT64_MAX,
    .flip_last = UINT64_MAX, .seed = 1,
    .read_latency = 40, .write_latency = 10, .outstanding = 8};
static uint64_t cleaned, invalidated;
static unsigned waits;

static void check(int good, const char *what)
{
    if (!good) {
        printf("failed: %s\n", what);
        exit(1);
    }
}

uint32_t port_read(const struct hwgen_device *device, uint32_t offset)
{
    uint32_t value;
    check(device->registers == harness && !harness_read(harness, offset, &value), "read");
    return value;
}

void port_write(const struct hwgen_device *device, uint32_t offset, uint32_t value)
{
    check(device->registers == harness && !harness_write(harness, offset, value), "write");
}

void port_range(const struct hwgen_device *device, int clean, const void *pointer, uint64_t bytes)
{
    const unsigned char *memory = device->memory, *first = pointer;
    check(first >= memory && first + bytes <= memory + device->bytes, "range");
    *(clean ? &cleaned : &invalidated) += bytes;
}

static bool sleep_until_interrupt(void *context)
{
    waits++;
    harness_run(context, 100000);
    return harness_irq(context) != 0;
}

static void *file(const char *name, size_t bytes)
{
    void *data = malloc(bytes + 1);
    FILE *stream = fopen(name, "rb");
    check(stream && fread(data, 1, bytes + 1, stream) == bytes, name);
    fclose(stream);
    return data;
}

static void print_counters(const struct hwgen_device *device, const char *name)
{
    struct hwgen_counters counters;
    hwgen_counters(device, &counters);
    printf("counters %s", name);
#define PRINT(register, field) printf(" %llu", (unsigned long long)counters.field);
    HWGEN_COUNTERS(PRINT)
    printf("\n");
}

static void print_error(const struct hwgen_device *device, const char *name, int status)
{
    struct hwgen_error error;
    hwgen_error(device, &error);
    printf("error %s %d %u %llu %u %s\n", name, status, (unsigned)error.code,
           (unsigned long long)error.info, (unsigned)error.command, hwgen_error_text(error.code));
}

/* A program in memory behind the network's. */
static struct hwgen_segment place(struct hwgen_device *device, const void *commands, size_t bytes)
{
    const uint32_t offset = (uint32_t)((lenet5_program.memory_bytes + 63) / 64 * 64);
    const struct hwgen_segment segment = {"", offset, 0};
    memcpy((char *)device->memory + offset, commands, bytes);
    return segment;
}

int main(int count, char **arguments)
{
    check(count == 4, "arguments");
    struct hwgen_device device = {.address = ADDRESS, .bytes = lenet5_program.memory_bytes + 4096};
    device.memory = calloc(1, device.bytes);
    harness = harness_create(device.memory, device.bytes);
    harness_configure(harness, &settings);
    harness_reset(harness, 16);
    device.registers = harness;

    /* The network: layers alternate between polling and sleeping until the interrupt. */
    const struct hwgen_tensor *input = &lenet5_tensors[0];
    const void *image = file(arguments[1], lenet5_program.image_bytes);
    check(input->host, "the first tensor is the host's");
    device.wait = sleep_until_interrupt;
    device.context = harness;
    check(hwgen_open(&device) == HWGEN_OK, "open");
    check(hwgen_load(&device, &lenet5_program, image) == HWGEN_OK, "load");
    hwgen_write(&device, input, file(arguments[2], (size_t)input->channels * input->height *
                                                       input->width * input->value_bytes));
    for (uint32_t i = 0; i < lenet5_program.segment_count; i++) {
        device.wait = i % 2 ? sleep_until_interrupt : NULL;
        check(hwgen_run(&device, &lenet5_program.segments[i], LOOKS) == HWGEN_OK, "run");
        print_counters(&device, lenet5_program.segments[i].name);
    }
    check(waits == lenet5_program.segment_count / 2, "one wait for each layer that sleeps");
    FILE *output = fopen(arguments[3], "wb");
    for (uint32_t i = 0; i < lenet5_program.tensor_count; i++) {
        const struct hwgen_tensor *tensor = &lenet5_program.tensors[i];
        const size_t bytes = (size_t)tensor->channels * tensor->height * tensor->width *
                             tensor->value_bytes;
        void *values = malloc(bytes);
        hwgen_read(&device, tensor, values);
        fwrite(values, 1, bytes, output);
        free(values);
    }
    fclose(output);
    check(cleaned > lenet5_program.image_bytes && invalidated, "ranges");

    /* Errors, each with a reset behind it; what follows an error without a reset is refused. */
    const struct hwgen_segment *conv = &lenet5_program.segments[0];
    device.wait = NULL;
    check(hwgen_open(&device) == HWGEN_OK, "open without interrupt");

    settings.fail_read = ADDRESS + input->offset;
    harness_configure(harness, &settings);
    print_error(&device, "read", hwgen_run(&device, conv, LOOKS));
    check(hwgen_run(&device, conv, LOOKS) == HWGEN_NOT_READY, "run after an error");
    check(hwgen_load(&device, &lenet5_program, image) == HWGEN_NOT_READY, "load after an error");
    check(hwgen_reset(&device) == HWGEN_OK, "reset");
    settings.fail_read = UINT64_MAX;
    settings.fail_write = ADDRESS + lenet5_tensors[1].offset;
    harness_configure(harness, &settings);
    print_error(&device, "write", hwgen_run(&device, conv, LOOKS));
    check(hwgen_reset(&device) == HWGEN_OK, "reset");
    settings.fail_write = UINT64_MAX;
    harness_configure(harness, &settings);

    uint64_t commands[3][HWGEN_COMMAND_WORDS] = {{0}};
    hwgen_put(commands[0], HWGEN_OPCODE, HWGEN_OP_BEGIN);
    hwgen_put(commands[0], HWGEN_BEGIN_MAGIC, HWGEN_MAGIC);
    hwgen_put(commands[0], HWGEN_BEGIN_HASH, lenet5_program.config_hash);
    hwgen_put(commands[1], HWGEN_OPCODE, HWGEN_OP_LOAD);
    hwgen_put(commands[1], HWGEN_LOAD_WAIT, 1);
    hwgen_put(commands[1], HWGEN_LOAD_DRAM_CHANNELS, 1);
    hwgen_put(commands[1], HWGEN_LOAD_GROUPS, 1);
    hwgen_put(commands[1], HWGEN_LOAD_COLS, 1);
    hwgen_put(commands[1], HWGEN_LOAD_Q, 1);
    hwgen_put(commands[1], HWGEN_LOAD_KEEP_EVERY_COL, 1);
    hwgen_put(commands[2], HWGEN_OPCODE, HWGEN_OP_END);
    struct hwgen_segment stuck = place(&device, commands, sizeof commands);
    hwgen_watchdog(&device, 5000);
    print_error(&device, "watchdog", hwgen_run(&device, &stuck, LOOKS));
    check(hwgen_reset(&device) == HWGEN_OK, "reset");
    hwgen_watchdog(&device, 0);
    check(hwgen_run(&device, &stuck, 100) == HWGEN_TIMEOUT, "limit of looks");
    check(hwgen_wait(&device, 100) == HWGEN_TIMEOUT, "waiting again");
    check(hwgen_start(&device, conv->offset, 0) == HWGEN_NOT_READY, "start of a busy device");
    device.wait = sleep_until_interrupt;
    check(hwgen_wait(&device, LOOKS) == HWGEN_TIMEOUT, "a wait that gives up");
    check(hwgen_open(&device) == HWGEN_OK, "open of a busy device");

    commands[0][1] ^= 1;
    stuck = place(&device, commands, sizeof commands);
    print_error(&device, "hash", hwgen_run(&device, &stuck, LOOKS));
    check(hwgen_reset(&device) == HWGEN_OK, "reset");

    /* The same layer gives the same counters after all that. */
    check(hwgen_run(&device, conv, LOOKS) == HWGEN_OK, "run");
    print_counters(&device, conv->name);
    check(!harness_violation(harness), "AXI protocol");
    harness_destroy(harness);
    return 0;
}
