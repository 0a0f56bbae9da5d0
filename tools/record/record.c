/* Records the page accesses of a program run under valgrind's lackey, and its memory at several moments.
 *
 *   gcc -O2 -o record record.c
 *   ./record OUT SNAPSHOT_EVERY PROGRAM ARGUMENTS...
 *
 * OUT.acc    one 16-byte record per kept access: uint64 instructions executed so far, uint64 page << 1 | write
 * OUT.N.mem  moment N: for every page touched so far that could be read: uint64 page number, then its 4096 bytes
 * OUT.N.map  /proc/PID/maps at that moment; OUT.count: instructions, data accesses, accesses kept, pages, exit status
 *             (numbers in the machine's byte order)
 *
 * Instruction fetches only count time.  A data access is dropped while its page is in a direct-mapped set of SLOTS pages,
 * unless it is the first write there, or the page was last recorded more than REFRESH instructions ago.
 * Moments are taken every SNAPSHOT_EVERY instructions with the program stopped (it is ahead by at most one pipe buffer). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 64
#define REFRESH (1u << 20)
#define TABLE (1u << 22)

static uint64_t slot_page[SLOTS], slot_seen[SLOTS], slot_written[SLOTS];
static uint64_t touched[TABLE], touched_count, instructions, accesses, kept;
static char buffer[1 << 20], name[4096];
static FILE *out;
static pid_t child;

static void die(const char *what) { perror(what); if (child) kill(child, SIGKILL); exit(1); }

static void remember(uint64_t page) {
    uint64_t i = (page * 0x9E3779B97F4A7C15ull) >> 42;
    while (touched[i] && touched[i] != page) i = (i + 1) & (TABLE - 1);
    if (touched[i]) return;
    if (++touched_count > TABLE / 2) { fprintf(stderr, "too many pages\n"); exit(1); }
    touched[i] = page;
}

static void snapshot(const char *prefix, int number) {
    static char data[4096];
    int status;
    kill(child, SIGSTOP);
    if (waitpid(child, &status, WUNTRACED) < 0) die("waitpid");
    if (!WIFSTOPPED(status)) return;
    snprintf(name, sizeof name, "/proc/%d/mem", child);
    int memory = open(name, O_RDONLY);
    snprintf(name, sizeof name, "%s.%d.mem", prefix, number);
    FILE *to = fopen(name, "wb");
    if (memory < 0 || !to) die(name);
    for (uint32_t i = 0; i < TABLE; i++)
        if (touched[i] && pread(memory, data, 4096, (off_t)(touched[i] << 12)) == 4096) {
            fwrite(&touched[i], 8, 1, to);
            fwrite(data, 4096, 1, to);
        }
    fclose(to);
    close(memory);
    snprintf(name, sizeof name, "cp /proc/%d/maps %s.%d.map", child, prefix, number);
    if (system(name)) die("cp");
    fprintf(stderr, "%d: %lu instructions, %lu pages, %lu kept\n", number, instructions, touched_count, kept);
    kill(child, SIGCONT);
}

static void access_page(uint64_t page, int write) {
    uint64_t s = page % SLOTS;
    if (slot_page[s] == page && (!write || slot_written[s]) && instructions - slot_seen[s] < REFRESH) return;
    if (slot_page[s] != page || instructions - slot_seen[s] >= REFRESH) slot_written[s] = 0;
    slot_page[s] = page;
    slot_seen[s] = instructions;
    slot_written[s] |= write;
    uint64_t record[2] = {instructions, page << 1 | write};
    if (fwrite(record, sizeof record, 1, out) != 1) die("write");
    kept++;
    remember(page);
}

static void line(const char *p, const char *end) {
    if (end - p < 5 || p[0] == '=') return;
    if (p[0] == 'I') { instructions++; return; }
    char kind = p[1];
    if (p[0] != ' ' || (kind != 'L' && kind != 'S' && kind != 'M')) return;
    uint64_t address = 0, size = 0;
    for (p += 3; p < end && *p != ','; p++) address = address << 4 | (uint64_t)(*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
    for (p++; p < end; p++) size = size * 10 + (uint64_t)(*p - '0');
    accesses++;
    for (uint64_t page = address >> 12; page <= (address + size - 1) >> 12; page++) access_page(page, kind != 'L');
}

int main(int argc, char **argv) {
    if (argc < 4) { fprintf(stderr, "usage: record OUT SNAPSHOT_EVERY PROGRAM ARGUMENTS...\n"); return 2; }
    int ends[2], number = 0;
    uint64_t every = strtoull(argv[2], 0, 10), next = every;
    snprintf(name, sizeof name, "%s.acc", argv[1]);
    if (!(out = fopen(name, "wb"))) die(name);
    if (pipe(ends)) die("pipe");
    fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
    if (!(child = fork())) {
        char **args = calloc((size_t)argc + 8, sizeof *args);
        int n = 0;
        dup2(ends[1], 9);
        close(ends[0]);
        close(ends[1]);
        args[n++] = "valgrind"; args[n++] = "--tool=lackey"; args[n++] = "--trace-mem=yes"; args[n++] = "--basic-counts=no"; args[n++] = "--log-fd=9";
        for (int i = 3; i < argc; i++) args[n++] = argv[i];
        execvp(args[0], args);
        die("valgrind");
    }
    close(ends[1]);
    size_t have = 0;
    ssize_t got;
    struct timespec nap = {0, 10000000};
    while ((got = read(ends[0], buffer + have, sizeof buffer - have)) > 0) {
        char *p = buffer, *end = buffer + have + got, *newline;
        while ((newline = memchr(p, '\n', (size_t)(end - p)))) { line(p, newline); p = newline + 1; }
        have = (size_t)(end - p);
        memmove(buffer, p, have);
        if (instructions >= next) { snapshot(argv[1], number++); next += every; }
        if (got < (ssize_t)sizeof buffer / 2) nanosleep(&nap, 0);
    }
    fclose(out);
    int status = 0;
    waitpid(child, &status, 0);
    snprintf(name, sizeof name, "%s.count", argv[1]);
    FILE *count = fopen(name, "w");
    fprintf(count, "instructions %lu\naccesses %lu\nkept %lu\npages %lu\nstatus %d\n", instructions, accesses, kept, touched_count, status);
    fclose(count);
    return status != 0;
}
