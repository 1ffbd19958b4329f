// Starts programs. It is in C because the functions that it needs are GNU's and Linux's own, which Swift's
// Glibc does not import.
#pragma once

#include <stddef.h>
#include <sys/types.h>

// Creates a regular file in memory (memfd_create(2)), open for reading and writing at offset 0, which no
// program inherits.
//
// `size` is the size that it keeps: a write past it fails with EPERM. 0 lets the file grow without bound.
// Returns a descriptor above 2, or -1 with errno.
int memory_file(size_t size);

// Starts the program at `path` as the leader of a process group of its own, with no signal blocked, every
// signal's default action, and no descriptor but 0, which is `input`, and 1 and 2, which are `output`.
//
// Both descriptors must be above 2. Stores the process in `pid`, and in `end` a descriptor that becomes
// readable when the process ends (pidfd_open(2)). Returns 0, or an error number; then no process is left.
int spawn_group(pid_t *pid, int *end, const char *path, char *const arguments[],
                char *const environment[], int input, int output);
