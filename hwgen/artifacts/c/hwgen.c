#include "hwgen.h"

#define READ(device, name) HWGEN_READ32(device, offsetof(hwgen_t, name))
#define WRITE(device, name, value) HWGEN_WRITE32(device, offsetof(hwgen_t, name), value)

#define CAUSES (HWGEN__IRQ_STATUS__DONE_bm | HWGEN__IRQ_STATUS__ERROR_bm)
#define NOT_READY \
    (HWGEN__STATUS__BUSY_bm | HWGEN__STATUS__ERROR_bm | HWGEN__STATUS__RESETTING_bm)
#define PAGE 4096u

void *memcpy(void *restrict target, const void *restrict source, size_t size);

enum hwgen_status hwgen_open(const struct hwgen_device *device)
{
    if (READ(device, ID) != HWGEN__ID__VALUE_reset)
        return HWGEN_NO_DEVICE;
    if (READ(device, CONFIG_HASH) != HWGEN__CONFIG_HASH__VALUE_reset)
        return HWGEN_OTHER_CONFIG;
    WRITE(device, IRQ_ENABLE, device->wait ? CAUSES : 0);
    hwgen_watchdog(device, HWGEN__WATCHDOG__VALUE_reset);
    return hwgen_reset(device);
}

enum hwgen_status hwgen_reset(const struct hwgen_device *device)
{
    WRITE(device, CTRL, HWGEN__CTRL__SOFT_RESET_bm);
    for (uint32_t look = 0; look < HWGEN_RESET_LOOKS; look++) {
        const bool finished = READ(device, STATUS) == 0;
        WRITE(device, IRQ_STATUS, CAUSES);
        if (finished)
            return HWGEN_OK;
    }
    return HWGEN_TIMEOUT;
}

enum hwgen_status hwgen_load(const struct hwgen_device *device, const struct hwgen_program *program,
                             const void *image)
{
    const uint64_t last = device->address + program->memory_bytes - 1;
    if (program->config_hash != HWGEN__CONFIG_HASH__VALUE_reset)
        return HWGEN_OTHER_CONFIG;
    if (program->memory_bytes > device->bytes || device->address % PAGE ||
        last < device->address || last >> (HWGEN__BUS__ADDR_BITS_reset - 1) > 1)
        return HWGEN_NO_MEMORY;
    if (READ(device, STATUS) & NOT_READY)
        return HWGEN_NOT_READY;
    WRITE(device, BASE_LO, (uint32_t)device->address);
    WRITE(device, BASE_HI, (uint32_t)(device->address >> 32));
    WRITE(device, SIZE, device->bytes >> 32 ? 0 : ((uint32_t)device->bytes + PAGE - 1) / PAGE * PAGE);
    memcpy(device->memory, image, (size_t)program->image_bytes);
    HWGEN_CLEAN(device->memory, program->image_bytes);
    return HWGEN_OK;
}

/* The first value of a row of a channel. */
static unsigned char *row(const struct hwgen_device *device, const struct hwgen_tensor *tensor,
                          uint32_t channel, uint32_t height)
{
    return (unsigned char *)device->memory + tensor->offset +
           (size_t)(channel / tensor->group) * tensor->group_stride +
           (size_t)height * tensor->row_stride +
           (size_t)(channel % tensor->group) * tensor->value_bytes;
}

/* Bytes of memory from a tensor's first value to its last. */
static size_t extent(const struct hwgen_tensor *tensor)
{
    const uint32_t groups = (tensor->channels - 1) / tensor->group;
    return (size_t)groups * tensor->group_stride +
           (size_t)(tensor->height - 1) * tensor->row_stride +
           (size_t)tensor->width * tensor->group * tensor->value_bytes;
}

void hwgen_write(const struct hwgen_device *device, const struct hwgen_tensor *tensor,
                 const void *values)
{
    const unsigned char *source = values;
    for (uint32_t c = 0; c < tensor->channels; c++)
        for (uint32_t h = 0; h < tensor->height; h++) {
            unsigned char *target = row(device, tensor, c, h);
            for (uint32_t w = 0; w < tensor->width; w++) {
                memcpy(target, source, tensor->value_bytes);
                target += (size_t)tensor->group * tensor->value_bytes;
                source += tensor->value_bytes;
            }
        }
    HWGEN_CLEAN((unsigned char *)device->memory + tensor->offset, extent(tensor));
}

void hwgen_read(const struct hwgen_device *device, const struct hwgen_tensor *tensor, void *values)
{
    unsigned char *target = values;
    HWGEN_INVALIDATE((unsigned char *)device->memory + tensor->offset, extent(tensor));
    for (uint32_t c = 0; c < tensor->channels; c++)
        for (uint32_t h = 0; h < tensor->height; h++) {
            const unsigned char *source = row(device, tensor, c, h);
            for (uint32_t w = 0; w < tensor->width; w++) {
                memcpy(target, source, tensor->value_bytes);
                source += (size_t)tensor->group * tensor->value_bytes;
                target += tensor->value_bytes;
            }
        }
}

void hwgen_watchdog(const struct hwgen_device *device, uint32_t cycles)
{
    WRITE(device, WATCHDOG, cycles);
}

enum hwgen_status hwgen_start(const struct hwgen_device *device, uint32_t offset, uint32_t limit)
{
    if (READ(device, STATUS) & NOT_READY)
        return HWGEN_NOT_READY;
    WRITE(device, LIMIT, limit);
    WRITE(device, PROGRAM, offset);
    HWGEN_BARRIER();
    WRITE(device, CTRL, HWGEN__CTRL__START_bm);
    return HWGEN_OK;
}

enum hwgen_status hwgen_wait(const struct hwgen_device *device, uint32_t looks)
{
    for (uint32_t look = 0; !looks || look < looks; look++) {
        const uint32_t cause = READ(device, IRQ_STATUS);
        if (cause) {
            WRITE(device, IRQ_STATUS, CAUSES);
            (void)READ(device, IRQ_STATUS); /* now the interrupt has fallen */
            HWGEN_BARRIER();
            return cause & HWGEN__IRQ_STATUS__ERROR_bm ? HWGEN_STOPPED : HWGEN_OK;
        }
        if (device->wait && !device->wait(device->context))
            break;
    }
    return HWGEN_TIMEOUT;
}

enum hwgen_status hwgen_run(const struct hwgen_device *device, const struct hwgen_segment *segment,
                            uint32_t looks)
{
    const enum hwgen_status status = hwgen_start(device, segment->offset, segment->limit);
    return status ? status : hwgen_wait(device, looks);
}

/* Low part first: that latches the high part. */
#define READ_PAIR(device, low, high, value)                \
    do {                                                   \
        (value) = READ(device, low);                       \
        (value) |= (uint64_t)READ(device, high) << 32;     \
    } while (0)

void hwgen_counters(const struct hwgen_device *device, struct hwgen_counters *counters)
{
#define COUNTER(name, field) READ_PAIR(device, name##_LO, name##_HI, counters->field);
    HWGEN_COUNTERS(COUNTER)
#undef COUNTER
}

void hwgen_error(const struct hwgen_device *device, struct hwgen_error *error)
{
    error->code = READ(device, ERROR_CODE);
    READ_PAIR(device, ERROR_INFO_LO, ERROR_INFO_HI, error->info);
    error->command = READ(device, ERROR_COMMAND);
}

const char *hwgen_error_text(uint32_t code)
{
    switch (code) {
#define TEXT(name, number, text) \
    case number:                 \
        return text;
        HWGEN_ERRORS(TEXT)
#undef TEXT
    default:
        return "An error that this driver does not know.";
    }
}
