// A VFS (https://www.sqlite.org/vfs.html) between SQLite and the real one, which counts what is done to the files of a directory
// and makes it fail or wait when a test says so. Other directories pass through.
#ifndef FAULT_VFS_H
#define FAULT_VFS_H

#include <sqlite3.h>

// What can be counted, and fail or wait.
enum fault_operation {
  FAULT_READ,
  FAULT_WRITE,
  FAULT_SYNC,
  FAULT_TRUNCATE,
  FAULT_OPEN,
  FAULT_SHM_MAP,
  FAULT_OPERATIONS
};

// Which of a database's files.
enum fault_file { FAULT_DATABASE, FAULT_WAL, FAULT_OTHER, FAULT_FILES };

// The rules and the counts of one directory.
typedef struct fault_directory fault_directory;

// Makes this VFS the default one. Must come before the first connection that is to be watched; later calls do nothing.
// Returns SQLite's result code.
int fault_vfs_register(void);

// Watches the files that are opened in a directory from now on, by the beginning of their path. It is never forgotten: at most
// 256 in a process, then NULL.
fault_directory *fault_vfs_watch(const char *directory);

// How often the operation was asked for, failed ones too.
long fault_vfs_count(fault_directory *directory, enum fault_operation operation, enum fault_file file);

// Lets `skip` of the operations pass and makes the next `times` of them (-1: all) fail with `code`, leaving `system_error` in errno.
// A code of SQLITE_OK takes the rule away.
void fault_vfs_fail(fault_directory *directory, enum fault_operation operation, enum fault_file file, long skip,
                    long times, int code, int system_error);

// Makes the operations wait until fault_vfs_release.
void fault_vfs_hold(fault_directory *directory, enum fault_operation operation, enum fault_file file);
void fault_vfs_release(fault_directory *directory, enum fault_operation operation, enum fault_file file);

// How many operations wait now.
long fault_vfs_held(fault_directory *directory, enum fault_operation operation, enum fault_file file);

#endif
