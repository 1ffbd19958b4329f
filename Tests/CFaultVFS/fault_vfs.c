#include "CFaultVFS.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct rule {
  long count;
  long skip;
  long times;
  int code;
  int system_error;
  int is_held;
  long held;
};

struct fault_directory {
  char path[512];
  struct rule rules[FAULT_OPERATIONS][FAULT_FILES];
};

struct fault_handle {
  sqlite3_file base;
  struct fault_directory *directory;
  enum fault_file file;
  sqlite3_file *real;
};

enum { DIRECTORY_LIMIT = 256 };
static struct fault_directory *directories[DIRECTORY_LIMIT];
static int directory_count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static sqlite3_vfs fault_vfs;
static sqlite3_vfs *real_vfs;

// Counts an operation, lets it wait, and says with which code it fails.
static int enter(struct fault_directory *directory, enum fault_operation operation, enum fault_file file) {
  if (directory == NULL) return SQLITE_OK;
  int code = SQLITE_OK;
  pthread_mutex_lock(&mutex);
  struct rule *rule = &directory->rules[operation][file];
  rule->count++;
  rule->held++;
  while (rule->is_held) pthread_cond_wait(&released, &mutex);
  rule->held--;
  if (rule->code != SQLITE_OK) {
    if (rule->skip > 0) {
      rule->skip--;
    } else if (rule->times != 0) {
      if (rule->times > 0) rule->times--;
      code = rule->code;
      errno = rule->system_error;
    }
  }
  pthread_mutex_unlock(&mutex);
  return code;
}

static struct fault_directory *find(const char *path) {
  struct fault_directory *found = NULL;
  if (path == NULL) return NULL;
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < directory_count && found == NULL; i++) {
    size_t length = strlen(directories[i]->path);
    if (strncmp(path, directories[i]->path, length) == 0 && path[length] == '/') found = directories[i];
  }
  pthread_mutex_unlock(&mutex);
  return found;
}

#define HANDLE(file) ((struct fault_handle *)(file))
#define REAL(file) (HANDLE(file)->real)

#define FAIL_IF_TOLD(operation)                                                 \
  do {                                                                          \
    int told = enter(HANDLE(file)->directory, operation, HANDLE(file)->file);      \
    if (told != SQLITE_OK) return told;                                         \
  } while (0)

static int file_close(sqlite3_file *file) { return REAL(file)->pMethods->xClose(REAL(file)); }

static int file_read(sqlite3_file *file, void *buffer, int count, sqlite3_int64 offset) {
  FAIL_IF_TOLD(FAULT_READ);
  return REAL(file)->pMethods->xRead(REAL(file), buffer, count, offset);
}

static int file_write(sqlite3_file *file, const void *buffer, int count, sqlite3_int64 offset) {
  FAIL_IF_TOLD(FAULT_WRITE);
  return REAL(file)->pMethods->xWrite(REAL(file), buffer, count, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
  FAIL_IF_TOLD(FAULT_TRUNCATE);
  return REAL(file)->pMethods->xTruncate(REAL(file), size);
}

static int file_sync(sqlite3_file *file, int flags) {
  FAIL_IF_TOLD(FAULT_SYNC);
  return REAL(file)->pMethods->xSync(REAL(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
  return REAL(file)->pMethods->xFileSize(REAL(file), size);
}

static int file_lock(sqlite3_file *file, int lock) {
  return REAL(file)->pMethods->xLock(REAL(file), lock);
}

static int file_unlock(sqlite3_file *file, int lock) {
  return REAL(file)->pMethods->xUnlock(REAL(file), lock);
}

static int file_check_lock(sqlite3_file *file, int *result) {
  return REAL(file)->pMethods->xCheckReservedLock(REAL(file), result);
}

static int file_control(sqlite3_file *file, int operation, void *argument) {
  return REAL(file)->pMethods->xFileControl(REAL(file), operation, argument);
}

static int file_sector_size(sqlite3_file *file) {
  return REAL(file)->pMethods->xSectorSize(REAL(file));
}

static int file_characteristics(sqlite3_file *file) {
  return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file));
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory) {
  FAIL_IF_TOLD(FAULT_SHM_MAP);
  return REAL(file)->pMethods->xShmMap(REAL(file), page, size, extend, memory);
}

static int shm_lock(sqlite3_file *file, int offset, int count, int flags) {
  return REAL(file)->pMethods->xShmLock(REAL(file), offset, count, flags);
}

static void shm_barrier(sqlite3_file *file) { REAL(file)->pMethods->xShmBarrier(REAL(file)); }

static int shm_unmap(sqlite3_file *file, int remove) {
  return REAL(file)->pMethods->xShmUnmap(REAL(file), remove);
}

// Version 2: without the memory-mapped reads of version 3, which no connection under test uses.
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
  struct fault_handle *handle = HANDLE(file);
  (void)vfs;
  handle->base.pMethods = NULL;
  handle->real = (sqlite3_file *)&handle[1];
  handle->directory = find(name);
  handle->file = flags & SQLITE_OPEN_MAIN_DB ? FAULT_DATABASE
                 : flags & SQLITE_OPEN_WAL   ? FAULT_WAL
                                             : FAULT_OTHER;
  int told = enter(handle->directory, FAULT_OPEN, handle->file);
  if (told != SQLITE_OK) return told;
  int code = real_vfs->xOpen(real_vfs, name, handle->real, flags, out_flags);
  if (handle->real->pMethods != NULL) handle->base.pMethods = &methods;
  return code;
}

int fault_vfs_register(void) {
  pthread_mutex_lock(&mutex);
  int code = SQLITE_OK;
  if (real_vfs == NULL) {
    real_vfs = sqlite3_vfs_find(NULL);
    // The rest is the real one's: only an opened file is ours, and its methods find the real file themselves.
    fault_vfs = *real_vfs;
    fault_vfs.zName = "fault";
    fault_vfs.pNext = NULL;
    fault_vfs.szOsFile = (int)sizeof(struct fault_handle) + real_vfs->szOsFile;
    fault_vfs.xOpen = vfs_open;
    code = sqlite3_vfs_register(&fault_vfs, 1);
  }
  pthread_mutex_unlock(&mutex);
  return code;
}

fault_directory *fault_vfs_watch(const char *path) {
  struct fault_directory *directory = calloc(1, sizeof *directory);
  if (directory == NULL || strlen(path) >= sizeof directory->path) {
    free(directory);
    return NULL;
  }
  strcpy(directory->path, path);
  pthread_mutex_lock(&mutex);
  if (directory_count < DIRECTORY_LIMIT) {
    directories[directory_count++] = directory;
  } else {
    free(directory);
    directory = NULL;
  }
  pthread_mutex_unlock(&mutex);
  return directory;
}

long fault_vfs_count(fault_directory *directory, enum fault_operation operation, enum fault_file file) {
  pthread_mutex_lock(&mutex);
  long count = directory->rules[operation][file].count;
  pthread_mutex_unlock(&mutex);
  return count;
}

void fault_vfs_fail(fault_directory *directory, enum fault_operation operation, enum fault_file file, long skip,
                    long times, int code, int system_error) {
  pthread_mutex_lock(&mutex);
  struct rule *rule = &directory->rules[operation][file];
  rule->skip = skip;
  rule->times = times;
  rule->code = code;
  rule->system_error = system_error;
  pthread_mutex_unlock(&mutex);
}

void fault_vfs_hold(fault_directory *directory, enum fault_operation operation, enum fault_file file) {
  pthread_mutex_lock(&mutex);
  directory->rules[operation][file].is_held = 1;
  pthread_mutex_unlock(&mutex);
}

void fault_vfs_release(fault_directory *directory, enum fault_operation operation, enum fault_file file) {
  pthread_mutex_lock(&mutex);
  directory->rules[operation][file].is_held = 0;
  pthread_cond_broadcast(&released);
  pthread_mutex_unlock(&mutex);
}

long fault_vfs_held(fault_directory *directory, enum fault_operation operation, enum fault_file file) {
  pthread_mutex_lock(&mutex);
  long held = directory->rules[operation][file].is_held ? directory->rules[operation][file].held : 0;
  pthread_mutex_unlock(&mutex);
  return held;
}
