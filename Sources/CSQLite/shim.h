// What Swift cannot say about libsqlite3 itself: calls with a variable number of arguments, and macros that
// are casts. Each function does what the call in its name does, and returns what it returns.
#ifndef TOMI_CSQLITE_SHIM_H
#define TOMI_CSQLITE_SHIM_H

#include <sqlite3.h>

// https://www.sqlite.org/c3ref/config.html
static inline int csqlite_config_memstatus(int on) {
  return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, on);
}

// https://www.sqlite.org/c3ref/db_config.html, for the options that take an int and tell the setting that holds
// afterwards.
static inline int csqlite_db_config(sqlite3 *db, int option, int value, int *now) {
  return sqlite3_db_config(db, option, value, now);
}

// https://www.sqlite.org/c3ref/c_static.html: SQLITE_TRANSIENT, the destructor that means "copy it now", is a
// cast that Swift does not import.
static inline int csqlite_bind_text_copy(sqlite3_stmt *statement, int index, const char *text,
                                         sqlite3_uint64 bytes) {
  return sqlite3_bind_text64(statement, index, text, bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static inline void csqlite_result_text_copy(sqlite3_context *context, const char *text,
                                            sqlite3_uint64 bytes) {
  sqlite3_result_text64(context, text, bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static inline int csqlite_bind_blob_copy(sqlite3_stmt *statement, int index, const void *blob,
                                         sqlite3_uint64 bytes) {
  return sqlite3_bind_blob64(statement, index, blob, bytes, SQLITE_TRANSIENT);
}

#endif
