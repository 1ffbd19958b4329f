// A preloaded library that makes a disk slow or stops it: each fsync and fdatasync first waits for TOMI_SYNC_DELAY
// microseconds, and then as long as the file TOMI_SYNC_STOP exists.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void wait_for(long microseconds) {
  struct timespec left = {microseconds / 1000000, microseconds % 1000000 * 1000};
  while (nanosleep(&left, &left) != 0) {
  }
}

static int delayed(const char *name, int descriptor) {
  const char *delay = getenv("TOMI_SYNC_DELAY"), *stop = getenv("TOMI_SYNC_STOP");
  if (delay != NULL) wait_for(atol(delay));
  while (stop != NULL && access(stop, F_OK) == 0) wait_for(1000);
  int (*sync)(int);
  *(void **)&sync = dlsym(RTLD_NEXT, name);
  return sync(descriptor);
}

int fsync(int descriptor) { return delayed("fsync", descriptor); }

int fdatasync(int descriptor) { return delayed("fdatasync", descriptor); }
