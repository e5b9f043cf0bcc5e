// LibTorch and Go's runtime answer a limit that is too low with pages of traces, or by waiting for a thread for ever. The check runs before both:
// the dynamic linker calls the functions of .preinit_array when it has loaded the libraries, and before it initialises any of them.

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

// Measured on Linux, x86-64, with LibTorch 2.11: when its libraries are loaded, a command takes 480 MB of address space. Go's runtime then reserves
// 1200 MB. With 2 threads, train takes up to 2340 MB in all and analyze 2360; with 32, 3120 and 3190: 28 MB more for each thread. Of that, private
// data that may be written are 100 MB when the libraries are loaded, up to 370 MB with 2 threads and 660 MB with 32.
static const struct need {
    const char *what, *limit;
    int access;
    size_t libraries, beyond, each; // MB: when this check runs, more than that, and more than that for each processor
} needs[] = {
    {"the limit of the address space", "ulimit -v", PROT_NONE, 500, 2000, 32},
    {"the limit of data", "ulimit -d", PROT_READ | PROT_WRITE, 100, 300, 12},
};

static const rlim_t fewest_files = 16; // with fewer than 10, LibTorch or Go fails

static void give_up(const char *program, const char *what, const char *limit, size_t needed, const char *unit)
{
    const char *slash = strrchr(program, '/');
    dprintf(STDERR_FILENO, "%.60s: %s is too low for LibTorch and Go (%s); about %zu%s are needed\n", slash ? slash + 1 : program, what, limit, needed, unit);
    _exit(1);
}

static size_t processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
}

static void *wait_for(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

// at_once reports whether this many threads can exist at once.
static int at_once(size_t count)
{
    pthread_t threads[count];
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_attr_t small;
    size_t started = 0;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    pthread_mutex_lock(&mutex);
    while (started < count && pthread_create(&threads[started], &small, wait_for, &mutex) == 0)
        started++;
    pthread_mutex_unlock(&mutex);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&small);
    return started == count;
}

static void check(int argc, char **argv, char **environment)
{
    const char *program = argc > 0 ? argv[0] : "hnn";
    size_t count = processors(), threads = 2 * count + 16;
    for (const struct need *n = needs; n < needs + sizeof needs / sizeof *needs; n++) {
        size_t size = n->beyond + n->each * count;
        void *reserved = mmap(NULL, size << 20, n->access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (reserved == MAP_FAILED)
            give_up(program, n->what, n->limit, n->libraries + size, " MB");
        munmap(reserved, size << 20);
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < fewest_files)
        give_up(program, "the limit of open files", "ulimit -n", fewest_files, "");
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof folder) == NULL && errno == ENOENT) { // LibTorch's oneMKL would end the program
        dprintf(STDERR_FILENO, "%.60s: the working folder has been removed; go to another one\n", program);
        _exit(1);
    }
    if (!at_once(threads))
        give_up(program, "the limit of processes and threads", "ulimit -u, or pids.max of a container", threads, " more");
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) = check;
