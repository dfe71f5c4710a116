/* A driver library of two cards for the real Python binding to load: one that cannot tell its power, one that is lost.
 * FAKE_NVML names what else goes wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, NOT_SUPPORTED = 3, SMALL = 7, NOT_LOADED = 9, LOST = 15 };
typedef int *Card;
typedef struct { unsigned gpu, memory; } Rates;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } Process;

static int cards[2] = {0, 1};
static int begun = 0, asked = 0;

static int mode(const char *name) {
    const char *set = getenv("FAKE_NVML");
    return set && strcmp(set, name) == 0;
}
static int gone(Card card) { return *card == 1; }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (mode("unloaded") || (mode("comes") && begun++ == 0)) return NOT_LOADED;
    return OK;
}
int nvmlShutdown(void) { return OK; }
int nvmlDeviceGetCount_v2(unsigned *count) {
    if (mode("hangs") && asked++ > 0) sleep(600);
    if (mode("odd")) return 10;
    *count = mode("none") ? 0 : 2;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Card *card) { *card = &cards[index]; return OK; }
int nvmlDeviceGetName(Card card, char *name, unsigned length) {
    if (gone(card)) return LOST;
    snprintf(name, length, "%s", mode("oldest") ? "\xff\xfe" : "Test Card 9000");
    return OK;
}
int nvmlDeviceGetUtilizationRates(Card card, Rates *rates) {
    if (gone(card)) return LOST;
    rates->gpu = 87;
    rates->memory = 40;
    return OK;
}
int nvmlDeviceGetMemoryInfo(Card card, Memory *memory) {
    if (gone(card)) return LOST;
    memory->total = 80ull << 30;
    memory->used = 3ull << 30;
    memory->free = memory->total - memory->used;
    return OK;
}
int nvmlDeviceGetMemoryInfo_v2(Card card, Memory2 *memory) {
    if (gone(card)) return LOST;
    if (mode("oldest")) return NOT_SUPPORTED;
    memory->total = 80ull << 30;
    memory->reserved = 1ull << 30;
    memory->used = 2ull << 30;
    memory->free = memory->total - memory->used - memory->reserved;
    return OK;
}
int nvmlDeviceGetPowerUsage(Card card, unsigned *milliwatts) {
    (void)milliwatts;
    return gone(card) ? LOST : NOT_SUPPORTED;
}
int nvmlDeviceGetEnforcedPowerLimit(Card card, unsigned *milliwatts) {
    if (gone(card)) return LOST;
    *milliwatts = 700500;
    return OK;
}
int nvmlDeviceGetTemperature(Card card, int sensor, unsigned *degrees) {
    (void)sensor;
    if (gone(card)) return LOST;
    *degrees = 61;
    return OK;
}
int nvmlDeviceGetClockInfo(Card card, int kind, unsigned *mhz) {
    if (gone(card)) return LOST;
    *mhz = kind == 1 ? 1980 : 1;
    return OK;
}
static int fill(Process *list, unsigned *count, unsigned pids[], unsigned long long used[], unsigned length) {
    if (*count < length || !list) {
        *count = length;
        return SMALL;
    }
    *count = length;
    for (unsigned i = 0; i < length; i++) list[i] = (Process){pids[i], used[i], 0, 0};
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Card card, unsigned *count, Process *list) {
    unsigned pids[] = {11, 12};
    unsigned long long used[] = {1000, 5000};
    return gone(card) ? LOST : fill(list, count, pids, used, 2);
}
#ifndef OLDEST
int nvmlDeviceGetGraphicsRunningProcesses_v3(Card card, unsigned *count, Process *list) {
    unsigned pids[] = {12, 13};
    unsigned long long used[] = {5000, ~0ull}; /* the driver's word for "not available" */
    return gone(card) ? LOST : fill(list, count, pids, used, 2);
}
#endif
