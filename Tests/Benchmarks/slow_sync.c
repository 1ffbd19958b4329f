// A disk that takes longer to sync: preloaded, this delays each fsync and fdatasync by TOMI_SYNC_DELAY microseconds.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int delayed(const char *name, int descriptor) {
  const char *delay = getenv("TOMI_SYNC_DELAY");
  long microseconds = delay == NULL ? 0 : atol(delay);
  struct timespec left = {microseconds / 1000000, microseconds % 1000000 * 1000};
  while (nanosleep(&left, &left) != 0) {
  }
  int (*sync)(int);
  *(void **)&sync = dlsym(RTLD_NEXT, name);
  return sync(descriptor);
}

int fsync(int descriptor) { return delayed("fsync", descriptor); }

int fdatasync(int descriptor) { return delayed("fdatasync", descriptor); }
