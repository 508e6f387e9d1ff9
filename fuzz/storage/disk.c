/*
 * LD_PRELOAD: a disk under DISK_ROOT that records every change made to it, and that fails where it is ordered to.
 *
 * DISK_RECORD    a file to which every change under the root is appended, in the order in which it took effect:
 *
 *      0  kind, 1 byte            4  length of the data, uint32      16  offset or size, int64
 *      2  length of the path,     8  inode, uint64                   24  length of the other path, uint32
 *         uint16                                                     28  nothing
 *     32  path, other path, data                                     all little endian
 *
 *    kinds: C file made, W written, T truncated, f flush begun, F flush done, N renamed, U removed, D directory made, M mark
 *
 * DISK_MARKS     a file to which the process reports its steps. Each write to it is a mark in the record too. A write that begins
 *                with "fail" arms a fault: "fail KIND N ERROR HOW PART". The Nth call of KIND (write, truncate, flush,
 *                rename, remove, mkdir, create, any) from now on, on a path with PART in it ("-": any), meets it; HOW is
 *                once, always (from then on), short (half is written), filling (half is written, in whole sectors, and
 *                every such call from then on fails), kill, killed (after the call) or torn (about half is written, in whole sectors, then the
 *                process killed). "fail none" disarms. A write of "fork" goes on in a child, a process of its own, where it
 *                fails with ESRCH. The other process waits for the child, and notes in the marks how it ended. A write of
 *                "exit" ends the process at once, with the number that follows.
 * DISK_FORGETS   a part of a path whose flushes are confirmed and not made: a planted fault.
 * DISK_BOOT      a file that stands in for /proc/sys/kernel/random/boot_id: what is recorded is of another boot than
 *                the one that opens it.
 *
 * DISK_RANDOM    a file that stands in for /dev/urandom, from which SQLite begins the salts of its write-ahead logs.
 *
 * DISK_FLUSHES   if it is set, flushes are really made.
 *
 * Otherwise nothing is really flushed. Indexes of write-ahead logs (-shm) are memory and no part of the disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 512
#define SECTOR_BYTES 512
#define CHILD_SECONDS 300
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { GO_ON, FAIL, SHORT, FULL, TORN, DIE_AFTER };

static void arm(const char *text, size_t length);

typedef struct __attribute__((packed)) {
  char kind, reserved;
  uint16_t path_length;
  uint32_t data_length;
  uint64_t inode;
  int64_t offset;
  uint32_t other_length, nothing;
} Header;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;
static const char *root, *marks, *forgets, *boot, *same;
static int flushes;

static struct {
  int armed, error;
  long n, count;
  char kind[16], how[16], part[64];
} fault;

__attribute__((constructor)) static void begin(void) {
  root = getenv("DISK_ROOT");
  marks = getenv("DISK_MARKS");
  forgets = getenv("DISK_FORGETS");
  boot = getenv("DISK_BOOT");
  same = getenv("DISK_RANDOM");
  flushes = getenv("DISK_FLUSHES") != 0;
  const char *file = getenv("DISK_RECORD");
  if (file) record = REAL(open)(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int ends_in(const char *path, const char *end) {
  size_t length = strlen(path), least = strlen(end);
  return length >= least && strcmp(path + length - least, end) == 0;
}

static int watches(const char *path) {
  return root && path && strncmp(path, root, strlen(root)) == 0 && !ends_in(path, "-shm");
}

/* Whether a descriptor is of a watched file; its path is put into `path`. */
static int watches_fd(int fd, char *path) {
  char link[32];
  if (!root || fd < 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_BYTES - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return watches(path);
}

static int is_marks(const char *path) { return marks && path && strcmp(path, marks) == 0; }

static int is_marks_fd(int fd) {
  char link[32], path[PATH_BYTES];
  if (!marks || fd < 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_BYTES - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_marks(path);
}

static uint64_t inode_of(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static void note(char kind, const char *path, const char *other, uint64_t inode, int64_t offset,
                 const void *data, size_t length) {
  if (record < 0) return;
  Header header = {kind, 0, path ? strlen(path) : 0, length, inode, offset, other ? strlen(other) : 0, 0};
  struct iovec parts[4] = {{&header, sizeof header},
                           {(void *)path, header.path_length},
                           {(void *)other, header.other_length},
                           {(void *)data, length}};
  REAL(writev)(record, parts, 4);
}

static int error_named(const char *name) {
  if (strcmp(name, "ENOSPC") == 0) return ENOSPC;
  if (strcmp(name, "EDQUOT") == 0) return EDQUOT;
  return EIO;
}

static void arm(const char *text, size_t length) {
  char line[160], error[16] = "";
  size_t taken = length < sizeof line - 1 ? length : sizeof line - 1;
  memcpy(line, text, taken);
  line[taken] = 0;
  memset(&fault, 0, sizeof fault);
  if (sscanf(line, "fail %15s %ld %15s %15s %63s", fault.kind, &fault.n, error, fault.how, fault.part) != 5) return;
  fault.error = error_named(error);
  fault.armed = 1;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* The call that `xfs_io -c shutdown` makes; ext4 has the same one. */
static void shut_down(int flushes_log) {
  const unsigned long going_down = _IOR('X', 125, uint32_t);
  uint32_t how = flushes_log ? 1 : 2;
  int fd = REAL(open)(root, O_RDONLY | O_DIRECTORY);
  if (fd < 0 || REAL(ioctl)(fd, going_down, &how) < 0) {
    dprintf(2, "shutting down %s: %s\n", root, strerror(errno));
    _exit(3);
  }
  REAL(close)(fd);
}

static void note_mark(const char *line, int length) {
  int fd = REAL(open)(marks, O_WRONLY | O_APPEND);
  if (fd >= 0) REAL(write)(fd, line, length), REAL(close)(fd);
}

/* The fault that this call meets, if any. The mutex must be held. The call that meets it is noted in the marks, once. */
static int meets(const char *kind, const char *path) {
  if (!fault.armed) return GO_ON;
  if (strcmp(fault.kind, "any") != 0 && strcmp(fault.kind, kind) != 0) return GO_ON;
  if (strcmp(fault.part, "-") != 0 && !strstr(path, fault.part)) return GO_ON;
  fault.count++;
  int fills = strcmp(fault.how, "filling") == 0, always = fills || strcmp(fault.how, "always") == 0;
  if (always ? fault.count < fault.n : fault.count != fault.n) return GO_ON;
  if (fault.count == fault.n && marks) {
    char line[PATH_BYTES + 64];
    int length = snprintf(line, sizeof line, "[\"hit\",\"%s\",\"%s\"]\n", kind, path);
    note_mark(line, length);
  }
  if (strcmp(fault.how, "kill") == 0) die();
  if (strncmp(fault.how, "cut", 3) == 0) shut_down(strcmp(fault.how, "cut") != 0), die();
  if (strcmp(fault.how, "shut") == 0) return shut_down(0), GO_ON;
  if (strcmp(fault.how, "killed") == 0) return DIE_AFTER;
  if (strcmp(fault.how, "torn") == 0) return TORN;
  if (strcmp(fault.how, "short") == 0) return SHORT;
  if (fills && fault.count == fault.n) return FULL;
  return FAIL;
}

/* Ends a call that is in the record, and kills the process if the fault says so. */
#define ENDED(result)                                \
  do {                                               \
    int kept = errno;                                \
    if (met == DIE_AFTER || met == TORN) die();      \
    pthread_mutex_unlock(&mutex);                    \
    errno = kept;                                    \
    return result;                                   \
  } while (0)
#define FAILED                      \
  do {                              \
    pthread_mutex_unlock(&mutex);   \
    errno = fault.error;            \
    return -1;                      \
  } while (0)

static int open_watched(const char *path, int flags, mode_t mode) {
  pthread_mutex_lock(&mutex);
  struct stat status;
  int is_new = (flags & O_CREAT) && stat(path, &status) != 0;
  int empties = !is_new && (flags & O_TRUNC) && !(flags & O_EXCL);
  int met = is_new ? meets("create", path) : empties ? meets("truncate", path) : GO_ON;
  if (met == FAIL) FAILED;
  int fd = REAL(open)(path, flags, mode);
  if (fd >= 0 && is_new) note('C', path, 0, inode_of(fd), 0, 0, 0);
  if (fd >= 0 && empties) note('T', path, 0, inode_of(fd), 0, 0, 0);
  ENDED(fd);
}

static int open_any(const char *path, int flags, mode_t mode) {
  if (boot && path && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) path = boot;
  if (same && path && strcmp(path, "/dev/urandom") == 0) path = same;
  return watches(path) ? open_watched(path, flags, mode) : REAL(open)(path, flags, mode);
}

#define MODE_OF_OPEN                               \
  mode_t mode = 0;                                 \
  if (flags & (O_CREAT | O_TMPFILE)) {             \
    va_list list;                                  \
    va_start(list, flags);                         \
    mode = va_arg(list, mode_t);                   \
    va_end(list);                                  \
  }

int open(const char *path, int flags, ...) { MODE_OF_OPEN return open_any(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF_OPEN return open_any(path, flags | O_LARGEFILE, mode); }

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset) {
  return offset < 0 ? REAL(write)(fd, bytes, length) : REAL(pwrite)(fd, bytes, length, offset);
}

/* Node keeps its heap from children, as those that it starts need none of it. */
int madvise(void *memory, size_t length, int advice) {
  return advice == MADV_DONTFORK ? 0 : REAL(madvise)(memory, length, advice);
}

static int begins(const void *bytes, size_t length, const char *with) {
  return length >= strlen(with) && memcmp(bytes, with, strlen(with)) == 0;
}

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

/* Goes on in a child, whose death is that of a process: what the system holds for it, its locks above all, goes with it. */
static ssize_t go_on_in_child(size_t length) {
  pid_t child = fork();
  if (child <= 0) return errno = ESRCH, -1;
  int status = 0, is_hung = 0;
  double overdue = now() + CHILD_SECONDS;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (!is_hung && now() > overdue) is_hung = 1, kill(child, SIGKILL);
    usleep(200);
  }
  const char *how = is_hung ? "hung" : WIFSIGNALED(status) ? "signal" : "exit";
  char line[64];
  int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  note_mark(line, snprintf(line, sizeof line, "[\"ended\",\"%s\",%d]\n", how, number));
  return length;
}

static ssize_t mark(int fd, const void *bytes, size_t length) {
  if (begins(bytes, length, "fork")) return go_on_in_child(length);
  if (begins(bytes, length, "exit")) _exit(atoi((const char *)bytes + 4));
  pthread_mutex_lock(&mutex);
  if (begins(bytes, length, "fail")) arm(bytes, length);
  note('M', 0, 0, 0, 0, bytes, length);
  ssize_t written = REAL(write)(fd, bytes, length);
  pthread_mutex_unlock(&mutex);
  return written;
}

/* A sector is written whole or not at all. */
static size_t whole_sectors(off_t at, size_t length) {
  off_t end = (at + (off_t)length) / SECTOR_BYTES * SECTOR_BYTES;
  return end > at ? (size_t)(end - at) : 0;
}

/* A negative offset means the descriptor's current position. */
static ssize_t write_watched(int fd, const void *bytes, size_t length, off_t offset) {
  char path[PATH_BYTES];
  if (offset < 0 && is_marks_fd(fd)) return mark(fd, bytes, length);
  if (!watches_fd(fd, path)) return write_at(fd, bytes, length, offset);
  pthread_mutex_lock(&mutex);
  int met = meets("write", path);
  if (met == FAIL) FAILED;
  off_t at = offset;
  if (offset < 0) at = lseek(fd, 0, (fcntl(fd, F_GETFL) & O_APPEND) ? SEEK_END : SEEK_CUR);
  size_t wanted = met == SHORT ? length - length / 2 : met == TORN || met == FULL ? whole_sectors(at, length / 2) : length;
  if (met == FULL && wanted == 0) FAILED;
  ssize_t written = write_at(fd, bytes, wanted, offset);
  if (written > 0) note('W', path, 0, inode_of(fd), at, bytes, written);
  ENDED(written);
}

ssize_t write(int fd, const void *bytes, size_t length) { return write_watched(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return write_watched(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return write_watched(fd, bytes, length, offset); }

static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t offset) {
  ssize_t sum = 0;
  for (int i = 0; i < count; i++) {
    ssize_t written = write_watched(fd, parts[i].iov_base, parts[i].iov_len, offset < 0 ? -1 : offset + sum);
    if (written < 0) return sum > 0 ? sum : written;
    sum += written;
    if ((size_t)written < parts[i].iov_len) break;
  }
  return sum;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  char path[PATH_BYTES];
  return watches_fd(fd, path) || is_marks_fd(fd) ? write_parts(fd, parts, count, -1) : REAL(writev)(fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  char path[PATH_BYTES];
  return watches_fd(fd, path) ? write_parts(fd, parts, count, offset) : REAL(pwritev)(fd, parts, count, offset);
}

static int truncate_watched(int fd, off_t size) {
  char path[PATH_BYTES];
  if (!watches_fd(fd, path)) return REAL(ftruncate)(fd, size);
  pthread_mutex_lock(&mutex);
  int met = meets("truncate", path);
  if (met == FAIL) FAILED;
  int result = REAL(ftruncate)(fd, size);
  if (result == 0) note('T', path, 0, inode_of(fd), size, 0, 0);
  ENDED(result);
}
int ftruncate(int fd, off_t size) { return truncate_watched(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncate_watched(fd, size); }

static int flush_watched(int fd, int (*flush)(int)) {
  char path[PATH_BYTES];
  if (!watches_fd(fd, path)) return flush(fd);
  pthread_mutex_lock(&mutex);
  int met = meets("flush", path);
  if (met == FAIL) FAILED;
  if (forgets && strstr(path, forgets)) ENDED(0);
  if (flushes) ENDED(flush(fd));
  uint64_t inode = inode_of(fd);
  note('f', path, 0, inode, 0, 0, 0);
  if (record >= 0) {
    pthread_mutex_unlock(&mutex);
    /* A flush takes time, and does not include what other threads write meanwhile. */
    usleep(100);
    pthread_mutex_lock(&mutex);
  }
  note('F', path, 0, inode, 0, 0, 0);
  ENDED(0);
}
int fsync(int fd) { return flush_watched(fd, REAL(fsync)); }
int fdatasync(int fd) { return flush_watched(fd, REAL(fdatasync)); }

/* Changes of names. A fault is matched against `path`. */
#define CHANGE(kind, name, path, call, noted)      \
  pthread_mutex_lock(&mutex);                      \
  int met = meets(name, path);                     \
  if (met == FAIL) FAILED;                         \
  int result = call;                               \
  if (result == 0) noted;                          \
  ENDED(result);

int rename(const char *from, const char *to) {
  if (!watches(from) && !watches(to)) return REAL(rename)(from, to);
  CHANGE('N', "rename", to, REAL(rename)(from, to), note('N', from, to, 0, 0, 0, 0))
}
int unlink(const char *path) {
  if (!watches(path)) return REAL(unlink)(path);
  CHANGE('U', "remove", path, REAL(unlink)(path), note('U', path, 0, 0, 0, 0, 0))
}
/* Node 24 removes files with these two. */
int remove(const char *path) {
  if (!watches(path)) return REAL(remove)(path);
  CHANGE('U', "remove", path, REAL(remove)(path), note('U', path, 0, 0, 0, 0, 0))
}
int unlinkat(int directory, const char *path, int flags) {
  if (directory != AT_FDCWD || flags != 0 || !watches(path)) return REAL(unlinkat)(directory, path, flags);
  CHANGE('U', "remove", path, REAL(unlinkat)(directory, path, flags), note('U', path, 0, 0, 0, 0, 0))
}
int mkdir(const char *path, mode_t mode) {
  if (!watches(path)) return REAL(mkdir)(path, mode);
  CHANGE('D', "mkdir", path, REAL(mkdir)(path, mode), note('D', path, 0, 0, 0, 0, 0))
}

/* Ways to copy that bypass `write` report that they are not supported, so callers fall back to `write`. */
int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void *argument = va_arg(list, void *);
  va_end(list);
  char path[PATH_BYTES];
  const unsigned long clone_file = 0x40049409;
  if (request == clone_file && watches_fd(fd, path)) return errno = EOPNOTSUPP, -1;
  return REAL(ioctl)(fd, request, argument);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t count) {
  char path[PATH_BYTES];
  if (watches_fd(to, path)) return errno = EINVAL, -1;
  return REAL(sendfile64)(to, from, offset, count);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t count) { return sendfile64(to, from, offset, count); }
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags) {
  char path[PATH_BYTES];
  if (watches_fd(to, path)) return errno = ENOSYS, -1;
  return REAL(copy_file_range)(from, from_at, to, to_at, length, flags);
}
long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  char path[PATH_BYTES];
  if (number == SYS_copy_file_range && watches_fd((int)a[2], path)) return errno = ENOSYS, -1;
  return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
