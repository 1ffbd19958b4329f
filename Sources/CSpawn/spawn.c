#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

int memory_file(size_t size) {
  int created = memfd_create("mail", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (created < 0) return -1;
  // A descriptor of 0 to 2 would be overwritten when it is copied to these.
  int file = fcntl(created, F_DUPFD_CLOEXEC, 3);
  int code = errno;
  close(created);
  errno = code;
  if (file < 0 || size == 0) return file;
  if (ftruncate(file, (off_t)size) == 0 &&
      fcntl(file, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
    return file;
  code = errno;
  close(file);
  errno = code;
  return -1;
}

// Sets up `actions` and `attributes`, and starts the process.
static int spawn(pid_t *pid, const char *path, char *const arguments[], char *const environment[],
                 int input, int output, posix_spawn_file_actions_t *actions,
                 posix_spawnattr_t *attributes) {
  int code;
  if ((code = posix_spawn_file_actions_adddup2(actions, input, 0)) != 0 ||
      (code = posix_spawn_file_actions_adddup2(actions, output, 1)) != 0 ||
      (code = posix_spawn_file_actions_adddup2(actions, output, 2)) != 0 ||
      (code = posix_spawn_file_actions_addclosefrom_np(actions, 3)) != 0)
    return code;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  if ((code = posix_spawnattr_setsigmask(attributes, &none)) != 0 ||
      (code = posix_spawnattr_setsigdefault(attributes, &all)) != 0 ||
      (code = posix_spawnattr_setpgroup(attributes, 0)) != 0 ||
      (code = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                       POSIX_SPAWN_SETPGROUP)) != 0)
    return code;
  return posix_spawn(pid, path, actions, attributes, arguments, environment);
}

int spawn_group(pid_t *pid, int *end, const char *path, char *const arguments[],
                char *const environment[], int input, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int code = posix_spawn_file_actions_init(&actions);
  if (code != 0) return code;
  code = posix_spawnattr_init(&attributes);
  if (code == 0) {
    code = spawn(pid, path, arguments, environment, input, output, &actions, &attributes);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return code;

  *end = pidfd_open(*pid, 0);
  if (*end >= 0) return 0;
  code = errno;
  kill(-*pid, SIGKILL);
  while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR) continue;
  return code;
}
