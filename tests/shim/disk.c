/* A disk that forgets, fills up and fails: preloaded between a program and the C library.
 *
 * A kernel keeps what was written in memory until it is synced; when the power goes, what was not
 * synced is lost, in whole or in part.  Killing a process does not show that: the kernel lives on.
 * So this library writes a journal of every change to files below DISK_FOLDER, old bytes and new,
 * and of every sync.  Whoever cuts the power (disk.py) kills the program, works out from the journal
 * what was durable, and puts that, and no more, in place of the files.
 *
 * Names are data of their folder: a file that was made, renamed or removed is so for good only once
 * the folder was synced.
 *
 * A process that forks others may leave DISK_FOLDER out, and call `disk_begin` in each of them.
 *
 * DISK_SIDE is a folder beside: `journal`, and `control`, four integers of 64 bits that may be
 * changed at any time and that every process maps:
 *     space    bytes that files may still grow by, in all; -1 is no limit      -> ENOSPC
 *     syncs    this many syncs from now one fails, and what it was to make durable never is -> EIO
 *     kills    this many syncs from now the process is killed, before that one is done
 *     halves   not 0: every write of more than one byte writes half of it
 *
 * The -shm file of SQLite is shared memory, made anew by whoever opens the store first: left alone.
 * What it does not see: writes through mmap, sendfile, io_uring.  SQLite and Python use none here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE = 1, TRUNCATE, CREATE, UNLINK, RENAME, SYNC, SYNC_FAILED };

struct record { /* then: path, path_to, old bytes, new bytes */
    uint32_t kind, path_size, to_size, old_size, new_size, unused;
    uint64_t inode;
    int64_t offset, size_before;
};

struct control {
    int64_t space, syncs, kills, halves;
};

#define FILES_MAX 4096
static unsigned char watched[FILES_MAX];
static char folder[PATH_MAX], side[PATH_MAX];
static size_t folder_size;
static int journal = -1;
static struct control *control;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlinkat)(int, const char *, int);
static int (*real_rename)(const char *, const char *);

static void fail(const char *what)
{
    perror(what);
    abort();
}

static int side_file(const char *name, int flags)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", side, name) >= (int)sizeof path)
        abort();
    int fd = real_open(path, flags | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    return fd;
}

void disk_begin(const char *below, const char *beside)
{
    if (!realpath(below, folder) || !realpath(beside, side))
        fail("disk shim");
    folder_size = strlen(folder);
    /* Out of the way of descriptors that a program expects to be given. */
    int low = side_file("journal", O_WRONLY | O_APPEND);
    journal = fcntl(low, F_DUPFD_CLOEXEC, 900);
    real_close(low);
    int fd = side_file("control", O_RDWR);
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    real_close(fd);
    if (journal < 0 || control == MAP_FAILED)
        fail("disk shim");
}

__attribute__((constructor)) static void load(void)
{
    real_open = REAL(open);
    real_openat = REAL(openat);
    real_close = REAL(close);
    real_write = REAL(write);
    real_pwrite = REAL(pwrite);
    real_ftruncate = REAL(ftruncate);
    real_fsync = REAL(fsync);
    real_fdatasync = REAL(fdatasync);
    real_unlinkat = REAL(unlinkat);
    real_rename = REAL(rename);
    if (getenv("DISK_FOLDER"))
        disk_begin(getenv("DISK_FOLDER"), getenv("DISK_SIDE"));
}

/* --- what is watched ----------------------------------------------------------------------- */

static int is_below(const char *path)
{
    size_t size = strlen(path);
    if (strncmp(path, folder, folder_size) || (path[folder_size] && path[folder_size] != '/'))
        return 0;
    return size < 4 || strcmp(path + size - 4, "-shm");
}

/* The absolute path of what may not exist, its folder resolved; 0 unless it is below ours. */
static int find(int at, const char *path, char *out)
{
    char parent[PATH_MAX], base[PATH_MAX];
    if (!folder_size)
        return 0;
    if (path[0] == '/' || at == AT_FDCWD) {
        snprintf(parent, sizeof parent, "%s", path);
    } else {
        char link[64], dir[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t size = readlink(link, dir, sizeof dir - 1);
        if (size < 0)
            return 0;
        dir[size] = 0;
        if (snprintf(parent, sizeof parent, "%s/%s", dir, path) >= (int)sizeof parent)
            return 0;
    }
    char *slash = strrchr(parent, '/');
    snprintf(base, sizeof base, "%s", slash ? slash + 1 : parent);
    if (slash)
        *slash = 0;
    char resolved[PATH_MAX];
    if (!realpath(slash ? (*parent ? parent : "/") : ".", resolved))
        return 0;
    if (snprintf(out, PATH_MAX, "%s/%s", resolved, base) >= PATH_MAX)
        return 0;
    return is_below(out);
}

static int is_watched(int fd)
{
    return fd >= 0 && fd < FILES_MAX && watched[fd];
}

static void watch(int fd)
{
    char link[64], path[PATH_MAX];
    if (fd < 0 || fd >= FILES_MAX || !folder_size)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = 0;
    watched[fd] = is_below(path);
}

/* --- the journal --------------------------------------------------------------------------- */

static void note(struct record head, const char *path, const char *to, const void *old,
                 const void *new)
{
    head.path_size = path ? strlen(path) : 0;
    head.to_size = to ? strlen(to) : 0;
    struct iovec parts[] = {
        {&head, sizeof head},          {(void *)path, head.path_size}, {(void *)to, head.to_size},
        {(void *)old, head.old_size}, {(void *)new, head.new_size},
    };
    ssize_t whole = sizeof head + head.path_size + head.to_size + head.old_size + head.new_size;
    if (writev(journal, parts, 5) != whole)
        fail("disk shim: journal");
}

static struct stat state_of(int fd)
{
    struct stat found;
    if (fstat(fd, &found))
        fail("disk shim: fstat");
    return found;
}

static void note_change(int fd, enum kind kind, off_t offset, const void *new, size_t new_size,
                        size_t old_size)
{
    struct stat now = state_of(fd);
    if (offset >= now.st_size)
        old_size = 0;
    else if (offset + (off_t)old_size > now.st_size)
        old_size = now.st_size - offset;
    char *old = malloc(old_size + 1);
    if (!old)
        fail("disk shim");
    if (old_size) {
        /* The descriptor may be for writing only. */
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        int again = real_open(link, O_RDONLY | O_CLOEXEC);
        if (again < 0 || pread(again, old, old_size, offset) != (ssize_t)old_size)
            fail("disk shim: reading what was there");
        real_close(again);
    }
    struct record head = {.kind = kind, .inode = now.st_ino, .offset = offset,
                          .size_before = now.st_size, .old_size = old_size,
                          .new_size = new_size};
    note(head, NULL, NULL, old, new);
    free(old);
}

static void note_name(enum kind kind, const char *path, const char *to, uint64_t inode)
{
    note((struct record){.kind = kind, .inode = inode}, path, to, NULL, NULL);
}

/* A second name beside for a file that loses its own, so that it can be given back. */
static uint64_t keep(const char *path)
{
    struct stat found;
    char kept[PATH_MAX];
    if (stat(path, &found))
        return 0;
    if (snprintf(kept, sizeof kept, "%s/%llu", side, (unsigned long long)found.st_ino) >= PATH_MAX)
        abort();
    if (link(path, kept) && errno != EEXIST)
        fail(kept);
    return found.st_ino;
}

/* --- opening ------------------------------------------------------------------------------- */

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    struct stat found;
    int changes = flags & (O_CREAT | O_TRUNC);
    if (!changes || (flags & O_TMPFILE) == O_TMPFILE || !find(at, path, full)) {
        int fd = real_openat(at, path, flags, mode);
        watch(fd);
        return fd;
    }
    pthread_mutex_lock(&turn);
    int was_there = !stat(full, &found);
    int fd = real_openat(at, path, flags & ~O_TRUNC, mode);
    watch(fd);
    if (is_watched(fd)) {
        if (!was_there)
            note_name(CREATE, full, NULL, state_of(fd).st_ino);
        if (flags & O_TRUNC && state_of(fd).st_size) {
            note_change(fd, TRUNCATE, 0, NULL, 0, state_of(fd).st_size);
            if (real_ftruncate(fd, 0))
                fail("disk shim: truncating");
        }
    }
    pthread_mutex_unlock(&turn);
    return fd;
}

#define MODE(flags)                                                                              \
    mode_t mode = 0;                                                                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                       \
        va_list more;                                                                            \
        va_start(more, flags);                                                                   \
        mode = va_arg(more, mode_t);                                                             \
        va_end(more);                                                                            \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags)
    return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE(flags)
    return open_at(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    MODE(flags)
    return open_at(at, path, flags | O_LARGEFILE, mode);
}

int close(int fd)
{
    if (fd >= 0 && fd < FILES_MAX)
        watched[fd] = 0;
    return real_close(fd);
}

/* --- changing ------------------------------------------------------------------------------ */

/* How much of a write there is room for; -1 with errno where there is none. */
static ssize_t room(int fd, size_t size, off_t offset)
{
    if (control->halves && size > 1)
        size /= 2;
    off_t grows = offset + (off_t)size - state_of(fd).st_size;
    if (control->space < 0 || grows <= 0)
        return size;
    if (grows <= control->space) {
        control->space -= grows;
        return size;
    }
    off_t fits = (off_t)size - (grows - control->space);
    control->space = 0;
    if (fits > 0)
        return fits;
    errno = ENOSPC;
    return -1;
}

static ssize_t change(int fd, const void *data, size_t size, off_t offset)
{
    pthread_mutex_lock(&turn);
    ssize_t done = room(fd, size, offset);
    if (done > 0) {
        note_change(fd, WRITE, offset, data, done, done);
        done = real_pwrite(fd, data, done, offset);
    }
    int told = errno;
    pthread_mutex_unlock(&turn);
    errno = told;
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return is_watched(fd) ? change(fd, data, size, offset) : real_pwrite(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return pwrite(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (!is_watched(fd))
        return real_write(fd, data, size);
    int to_end = fcntl(fd, F_GETFL) & O_APPEND;
    off_t offset = to_end ? state_of(fd).st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t done = change(fd, data, size, offset);
    if (done > 0)
        lseek(fd, offset + done, SEEK_SET);
    return done;
}

int ftruncate(int fd, off_t size)
{
    if (!is_watched(fd))
        return real_ftruncate(fd, size);
    pthread_mutex_lock(&turn);
    off_t now = state_of(fd).st_size;
    note_change(fd, TRUNCATE, size, NULL, 0, now > size ? now - size : 0);
    int done = real_ftruncate(fd, size);
    pthread_mutex_unlock(&turn);
    return done;
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

/* --- names --------------------------------------------------------------------------------- */

static int remove_name(int at, const char *path, int flags)
{
    char full[PATH_MAX];
    if ((flags & AT_REMOVEDIR) || !find(at, path, full))
        return real_unlinkat(at, path, flags);
    pthread_mutex_lock(&turn);
    uint64_t inode = keep(full);
    int done = real_unlinkat(at, path, flags);
    if (!done)
        note_name(UNLINK, full, NULL, inode);
    int told = errno;
    pthread_mutex_unlock(&turn);
    errno = told;
    return done;
}

int unlink(const char *path)
{
    return remove_name(AT_FDCWD, path, 0);
}

int unlinkat(int at, const char *path, int flags)
{
    return remove_name(at, path, flags);
}

int rename(const char *from, const char *to)
{
    char old[PATH_MAX], new[PATH_MAX];
    if (!find(AT_FDCWD, from, old) || !find(AT_FDCWD, to, new))
        return real_rename(from, to);
    pthread_mutex_lock(&turn);
    uint64_t replaced = keep(new);
    struct stat found;
    uint64_t inode = stat(old, &found) ? 0 : found.st_ino;
    int done = real_rename(from, to);
    if (!done) /* what it took the place of stands where writes have their offset */
        note((struct record){.kind = RENAME, .inode = inode, .offset = replaced}, old, new, NULL,
             NULL);
    int told = errno;
    pthread_mutex_unlock(&turn);
    errno = told;
    return done;
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    char old[PATH_MAX], new[PATH_MAX];
    if (!find(from_at, from, old) || !find(to_at, to, new))
        return REAL(renameat)(from_at, from, to_at, to);
    return rename(old, new);
}

/* --- syncing ------------------------------------------------------------------------------- */

/* Nothing goes to the real disk: what is durable is what the journal says. */
static int sync_now(int fd)
{
    pthread_mutex_lock(&turn);
    if (control->kills > 0 && --control->kills == 0)
        kill(getpid(), SIGKILL);
    int fails = control->syncs > 0 && --control->syncs == 0;
    note((struct record){.kind = fails ? SYNC_FAILED : SYNC, .inode = state_of(fd).st_ino}, NULL,
         NULL, NULL, NULL);
    pthread_mutex_unlock(&turn);
    if (!fails)
        return 0;
    errno = EIO;
    return -1;
}

int fsync(int fd)
{
    return is_watched(fd) ? sync_now(fd) : real_fsync(fd);
}

int fdatasync(int fd)
{
    return is_watched(fd) ? sync_now(fd) : real_fdatasync(fd);
}
