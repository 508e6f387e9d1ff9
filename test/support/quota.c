/*
 * LD_PRELOAD: a quota. Files under QUOTA_ROOT may have QUOTA_BYTES in all, as far as this process makes them; a write that
 * would make one longer than that is cut short, and fails with EDQUOT where nothing of it fits. The disk itself has room.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define PATH_BYTES 512
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static off_t used;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int is_counted(const char *path) {
  const char *root = getenv("QUOTA_ROOT");
  return strncmp(path, root, strlen(root)) == 0;
}

static int is_file(int fd, struct stat *status) {
  char link[64], path[PATH_BYTES];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_BYTES - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_counted(path) && fstat(fd, status) == 0 && S_ISREG(status->st_mode);
}

/* How much of a write fits, counted as used. */
static ssize_t take(int fd, off_t offset, size_t length) {
  struct stat status;
  if (offset < 0 || !is_file(fd, &status)) return (ssize_t)length;
  off_t growth = offset + (off_t)length - status.st_size;
  if (growth <= 0) return (ssize_t)length;
  off_t left = atoll(getenv("QUOTA_BYTES")) - used;
  if (left < 0) left = 0;
  off_t over = growth > left ? growth - left : 0;
  if (over >= (off_t)length) return 0;
  used += growth - over;
  return (ssize_t)(length - (size_t)over);
}

static void give_back(off_t bytes) {
  pthread_mutex_lock(&mutex);
  used -= bytes;
  pthread_mutex_unlock(&mutex);
}

static ssize_t write_within(int fd, const void *bytes, size_t length, off_t offset, int is_positioned) {
  pthread_mutex_lock(&mutex);
  ssize_t fits = length == 0 ? 0 : take(fd, offset, length);
  ssize_t written = -1;
  if (fits > 0 || length == 0)
    written = is_positioned ? REAL(pwrite64)(fd, bytes, (size_t)fits, offset)
                            : REAL(write)(fd, bytes, (size_t)fits);
  pthread_mutex_unlock(&mutex);
  if (fits == 0 && length > 0) errno = EDQUOT;
  return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  struct stat status;
  /* One that is opened to append has no offset of its own. */
  if (!is_file(fd, &status)) return REAL(write)(fd, bytes, length);
  off_t offset = lseek(fd, 0, SEEK_CUR);
  return write_within(fd, bytes, length, offset == 0 ? status.st_size : offset, 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  return write_within(fd, bytes, length, offset, 1);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  return write_within(fd, bytes, length, offset, 1);
}

static int cut(int fd, off64_t length) {
  struct stat status;
  int is_one = is_file(fd, &status);
  int result = REAL(ftruncate64)(fd, length);
  if (is_one && result == 0) give_back(status.st_size - length);
  return result;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

int unlink(const char *path) {
  struct stat status;
  int is_one = is_counted(path) && stat(path, &status) == 0 && S_ISREG(status.st_mode);
  int result = REAL(unlink)(path);
  if (is_one && result == 0) give_back(status.st_size);
  return result;
}
