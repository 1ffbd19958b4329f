// The reference: the service's work in C. It answers the four requests of the benchmarks with the same bytes, from the
// same database file and just as durably. It uses prepared statements, JSON written by hand, a read connection for each
// thread, and one writer that commits all waiting changes together. It checks only what these requests need: the
// token's user, their membership in the group, and what the database itself refuses.
// Usage: limit SOCKET THREADS DATABASE [--one-commit-each]

#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED  // SHA256() of OpenSSL 3 looks the algorithm up each time. These calls do not.

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "responder.h"

#define PAGE 25
#define ID_LENGTH 36

static const char *database_path;
// What encrypts cursors, and what their nonces are made with.
static unsigned char cipher_key[SHA256_DIGEST_LENGTH], nonce_key[SHA256_DIGEST_LENGTH];
static bool one_commit_each;

// A part of a text that something else owns.
struct part {
  const char *start;
  size_t count;
};

// The state of a thread.
struct reader {
  sqlite3 *database;
  sqlite3_stmt *begin, *commit, *coverage, *directory, *member, *referrals;
  struct text head, body;
};

// A referral to write, and the thread that waits for it.
struct change {
  const char *id, *now;
  struct part group, user, type, state;
  struct text context, changes;
  bool is_refused;
  sem_t done;
  struct change *next;
};

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_filled = PTHREAD_COND_INITIALIZER;
static struct change *queue, **queue_end = &queue;

// --- SQLite ---

static sqlite3 *open_database(void) {
  sqlite3 *database;
  if (sqlite3_open_v2(database_path, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
      sqlite3_exec(database,
                   "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000;"
                   "PRAGMA wal_autocheckpoint=0",
                   NULL, NULL, NULL) != SQLITE_OK) {
    fail(sqlite3_errmsg(database));
  }
  return database;
}

static sqlite3_stmt *prepare(sqlite3 *database, const char *sql) {
  sqlite3_stmt *statement;
  if (sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
    fail(sqlite3_errmsg(database));
  }
  return statement;
}

static void bind(sqlite3_stmt *statement, int index, struct part value) {
  if (sqlite3_bind_text(statement, index, value.start, (int)value.count, SQLITE_STATIC) != SQLITE_OK) {
    fail("sqlite3_bind_text");
  }
}

static void bind_string(sqlite3_stmt *statement, int index, const char *value) {
  bind(statement, index, (struct part){value, strlen(value)});
}

// Returns SQLite's code. Any error but a constraint violation ends the process.
static int step(sqlite3_stmt *statement) {
  int code = sqlite3_step(statement);
  if (code != SQLITE_ROW && code != SQLITE_DONE && (code & 0xFF) != SQLITE_CONSTRAINT) {
    fail(sqlite3_errmsg(sqlite3_db_handle(statement)));
  }
  return code;
}

static int run(sqlite3_stmt *statement) {
  int code = step(statement);
  sqlite3_reset(statement);
  return code;
}

static struct part column(sqlite3_stmt *statement, int index) {
  const char *start = (const char *)sqlite3_column_text(statement, index);
  return (struct part){start, start == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, index)};
}

// --- JSON ---

static void append_part(struct text *text, struct part part) { append(text, part.start, part.count); }

static void append_escaped(struct text *text, struct part part) {
  size_t start = 0;
  for (size_t index = 0; index < part.count; index++) {
    unsigned char byte = (unsigned char)part.start[index];
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    append(text, part.start + start, index - start);
    char escape[8];
    const char *letter = byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : byte == '\t' ? "\\t" : NULL;
    if (letter == NULL) {
      snprintf(escape, sizeof escape, byte < 0x20 ? "\\u%04x" : "\\%c", byte);
      letter = escape;
    }
    append(text, letter, strlen(letter));
    start = index + 1;
  }
  append(text, part.start + start, part.count - start);
}

static void append_string(struct text *text, struct part part) {
  if (part.start == NULL) {
    APPEND(text, "null");
    return;
  }
  APPEND(text, "\"");
  append_escaped(text, part);
  APPEND(text, "\"");
}

// Appends a member that begins with a literal such as `{"id":`, its value a column's text or null.
#define APPEND_COLUMN(text, literal, statement, index) \
  do {                                                 \
    APPEND(text, literal);                             \
    append_string(text, column(statement, index));     \
  } while (0)

// Returns the value of a member as text, empty if it is missing. This works for the bodies of the benchmarks: each name
// appears once, and no string contains a quotation mark.
static struct part member(struct part json, const char *name) {
  const char *found = memmem(json.start, json.count, name, strlen(name));
  if (found == NULL) return (struct part){NULL, 0};
  const char *end = json.start + json.count;
  const char *start = found + strlen(name);
  while (start < end && (isspace((unsigned char)*start) || *start == ':')) start++;
  const char *stop = start;
  if (start < end && *start == '"') {
    start++;
    stop = memchr(start, '"', (size_t)(end - start));
  } else {
    while (stop < end && strchr(",}] \r\n\t", *stop) == NULL) stop++;
  }
  return stop == NULL ? (struct part){NULL, 0} : (struct part){start, (size_t)(stop - start)};
}

static void append_bare(struct text *text, struct part part) {
  if (part.start == NULL) {
    APPEND(text, "null");
  } else {
    append_part(text, part);
  }
}

// --- HTTP ---

static size_t base64(char *target, const unsigned char *bytes, size_t count, bool for_urls) {
  int length = EVP_EncodeBlock((unsigned char *)target, bytes, (int)count);
  if (!for_urls) return (size_t)length;
  while (length > 0 && target[length - 1] == '=') length--;
  for (int index = 0; index < length; index++) {
    if (target[index] == '+') target[index] = '-';
    if (target[index] == '/') target[index] = '_';
  }
  return (size_t)length;
}

static void sha256(unsigned char *hash, const void *bytes, size_t count) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes, count);
  SHA256_Final(hash, &context);
}

static void hmac(unsigned char code[SHA256_DIGEST_LENGTH], const unsigned char key[SHA256_DIGEST_LENGTH],
                 const void *bytes, int count) {
  if (HMAC(EVP_sha256(), key, SHA256_DIGEST_LENGTH, bytes, (size_t)count, code, NULL) == NULL) fail("HMAC");
}

// Reads the database's key for cursors.
static void read_cursor_key(sqlite3 *database) {
  sqlite3_stmt *statement = prepare(database, "SELECT value FROM secrets WHERE name = 'cursors'");
  if (step(statement) != SQLITE_ROW || sqlite3_column_bytes(statement, 0) != SHA256_DIGEST_LENGTH) fail("no key");
  const unsigned char *key = sqlite3_column_blob(statement, 0);
  hmac(cipher_key, key, "cipher", 6);
  hmac(nonce_key, key, "nonce", 5);
  sqlite3_finalize(statement);
}

// Encrypts a text, which a NUL and a list follow, with AES-256-GCM: 12 bytes of nonce, the text, 16 bytes of tag.
static size_t seal(unsigned char *sealed, const char *text, int count, int list_count) {
  unsigned char code[SHA256_DIGEST_LENGTH];
  int written;
  hmac(code, nonce_key, text, count + 1 + list_count);
  memcpy(sealed, code, 12);
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  if (context == NULL || EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, cipher_key, sealed) != 1 ||
      EVP_EncryptUpdate(context, NULL, &written, (const unsigned char *)text + count + 1, list_count) != 1 ||
      EVP_EncryptUpdate(context, sealed + 12, &written, (const unsigned char *)text, count) != 1 ||
      EVP_EncryptFinal_ex(context, sealed + 12 + count, &written) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, sealed + 12 + count) != 1) {
    fail("AES");
  }
  EVP_CIPHER_CTX_free(context);
  return (size_t)count + 28;
}

static void append_etag(struct text *head, const struct text *body) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  char tag[32];
  sha256(hash, body->bytes, body->count);
  size_t count = base64(tag, hash, 12, false);
  APPEND(head, "ETag: \"");
  append(head, tag, count);
  APPEND(head, "\"\r\n");
}

static void send_answer(FCGX_Request *request, struct reader *reader) {
  char length[80];
  int count = snprintf(length, sizeof length,
                       "Content-Type: application/json\r\nVary: Origin\r\nContent-Length: %zu\r\n\r\n",
                       reader->body.count);
  append(&reader->head, length, (size_t)count);
  append(&reader->head, reader->body.bytes, reader->body.count);
  FCGX_PutStr(reader->head.bytes, (int)reader->head.count, request->out);
}

static void refuse(FCGX_Request *request, const char *status) {
  FCGX_FPrintF(request->out, "Status: %s\r\nContent-Length: 0\r\n\r\n", status);
}

// Ends a list with the end of the page and the address of the next one.
//
// filters: what the cursor is bound to, after the path's `?`. query: the query as it was sent, or empty. key: the sort
// column and number of the last item.
static void finish_list(struct reader *reader, struct part path, struct part filters, struct part query, bool has_more,
                        struct part key, sqlite3_int64 number) {
  if (!has_more) {
    APPEND(&reader->body, "],\"has_more\":false,\"next_cursor\":null}");
    return;
  }
  // The text, a NUL, and the list that the cursor belongs to.
  char text[1200], cursor[1024];
  int count = snprintf(text, 640, "[\"%.*s\",\"%lld\"]", (int)key.count, key.start, number);
  while ((count + 4) % 24 != 0) text[count++] = ' ';
  text[count] = '\0';
  int list_count = snprintf(text + count + 1, 512, "%.*s?%.*s", (int)path.count, path.start, (int)filters.count,
                            filters.start);
  unsigned char sealed[720];
  struct part next = {cursor, base64(cursor, sealed, seal(sealed, text, count, list_count), true)};
  APPEND(&reader->body, "],\"has_more\":true,\"next_cursor\":\"");
  append_part(&reader->body, next);
  APPEND(&reader->body, "\"}");
  APPEND(&reader->head, "Link: <");
  append_part(&reader->head, path);
  APPEND(&reader->head, "?");
  if (query.count > 0) {
    append_part(&reader->head, query);
    APPEND(&reader->head, "&");
  }
  APPEND(&reader->head, "cursor=");
  append_part(&reader->head, next);
  APPEND(&reader->head, ">; rel=\"next\"\r\n");
}

// The present time, as `2026-11-22T14:30:28.123Z`, and its milliseconds since 1970.
static long long present(char text[32]) {
  struct timespec now;
  struct tm parts;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &parts);
  long milliseconds = now.tv_nsec / 1000000;
  size_t count = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(text + count, 32 - count, ".%03ldZ", milliseconds);
  return (long long)now.tv_sec * 1000 + milliseconds;
}

// A new UUID of version 7 (RFC 9562, section 5.7).
static void make_id(char text[ID_LENGTH + 1], long long milliseconds) {
  unsigned char random[10];
  if (getrandom(random, sizeof random, 0) != sizeof random) fail("getrandom");
  unsigned long long low = 0;
  for (int index = 2; index < 8; index++) low = low << 8 | random[index];
  snprintf(text, ID_LENGTH + 1, "%08llx-%04llx-7%03x-%04x-%012llx", (unsigned long long)milliseconds >> 16 & 0xFFFFFFFF,
           (unsigned long long)milliseconds & 0xFFFF, (random[0] << 8 | random[1]) & 0xFFF,
           0x8000 | ((random[8] << 8 | random[9]) & 0x3FFF), low & 0xFFFFFFFFFFFF);
}

// --- The four requests ---

static const struct {
  char code[3];
  const char *name;
} states[] = {
    {"AK", "Alaska"}, {"AL", "Alabama"}, {"AR", "Arkansas"}, {"AZ", "Arizona"}, {"CA", "California"},
    {"CO", "Colorado"}, {"CT", "Connecticut"}, {"DC", "District of Columbia"}, {"DE", "Delaware"}, {"FL", "Florida"},
    {"GA", "Georgia"}, {"HI", "Hawaii"}, {"IA", "Iowa"}, {"ID", "Idaho"}, {"IL", "Illinois"}, {"IN", "Indiana"},
    {"KS", "Kansas"}, {"KY", "Kentucky"}, {"LA", "Louisiana"}, {"MA", "Massachusetts"}, {"MD", "Maryland"},
    {"ME", "Maine"}, {"MI", "Michigan"}, {"MN", "Minnesota"}, {"MO", "Missouri"}, {"MS", "Mississippi"},
    {"MT", "Montana"}, {"NC", "North Carolina"}, {"ND", "North Dakota"}, {"NE", "Nebraska"}, {"NH", "New Hampshire"},
    {"NJ", "New Jersey"}, {"NM", "New Mexico"}, {"NV", "Nevada"}, {"NY", "New York"}, {"OH", "Ohio"},
    {"OK", "Oklahoma"}, {"OR", "Oregon"}, {"PA", "Pennsylvania"}, {"RI", "Rhode Island"}, {"SC", "South Carolina"},
    {"SD", "South Dakota"}, {"TN", "Tennessee"}, {"TX", "Texas"}, {"UT", "Utah"}, {"VA", "Virginia"},
    {"VT", "Vermont"}, {"WA", "Washington"}, {"WI", "Wisconsin"}, {"WV", "West Virginia"}, {"WY", "Wyoming"},
};

static const char *state_name(struct part code) {
  for (size_t index = 0; index < sizeof states / sizeof states[0]; index++) {
    if (code.count == 2 && memcmp(states[index].code, code.start, 2) == 0) return states[index].name;
  }
  return NULL;
}

#define PUBLIC_HEAD "Status: 200 OK\r\nCache-Control: public, max-age=60, stale-while-revalidate=300\r\n"

// GET /api/coverage/:stateCode/:partnerType; `rest` is what follows `/api/coverage/`.
static void answer_coverage(FCGX_Request *request, struct reader *reader, struct part rest) {
  struct part state = {rest.start, 2}, type = {rest.start + 3, rest.count < 3 ? 0 : rest.count - 3};
  const char *name = rest.count > 3 && rest.start[2] == '/' ? state_name(state) : NULL;
  if (name == NULL) return refuse(request, "404 Not Found");
  sqlite3_stmt *row = reader->coverage;
  bind(row, 1, state);
  bind(row, 2, type);
  bool is_found = step(row) == SQLITE_ROW;
  if (is_found) {
    struct text *body = &reader->body;
    struct part status = column(row, 0), count = column(row, 1);
    APPEND(body, "{\"state_code\":");
    append_string(body, state);
    APPEND(body, ",\"state_name\":");
    append_string(body, (struct part){name, strlen(name)});
    APPEND(body, ",\"partner_type\":");
    append_string(body, type);
    APPEND(body, ",\"status\":");
    append_string(body, status);
    APPEND(body, ",\"message\":");
    const char *message = *status.start == 'a' ? "Available" : "Coming soon";
    append_string(body, (struct part){message, strlen(message)});
    APPEND(body, ",\"partner_count\":");
    append_part(body, count);
    APPEND(body, "}");
  }
  sqlite3_reset(row);
  if (!is_found) return refuse(request, "404 Not Found");
  APPEND(&reader->head, PUBLIC_HEAD);
  append_etag(&reader->head, &reader->body);
  send_answer(request, reader);
}

// GET /api/partners?state=…&type=…
static void answer_directory(FCGX_Request *request, struct reader *reader, struct part path, struct part query) {
  struct part state = {NULL, 0}, type = {NULL, 0};
  const char *end = query.start + query.count;
  for (const char *start = query.start; start < end;) {
    const char *stop = memchr(start, '&', (size_t)(end - start));
    if (stop == NULL) stop = end;
    struct part *value = strncmp(start, "state=", 6) == 0 ? &state : strncmp(start, "type=", 5) == 0 ? &type : NULL;
    if (value == NULL) return refuse(request, "400 Bad Request");
    const char *first = (const char *)memchr(start, '=', (size_t)(stop - start)) + 1;
    *value = (struct part){first, (size_t)(stop - first)};
    start = stop + 1;
  }
  if (state.start == NULL || type.start == NULL) return refuse(request, "400 Bad Request");
  sqlite3_stmt *row = reader->directory;
  bind(row, 1, state);
  bind(row, 2, type);
  struct text *body = &reader->body;
  char key[256];
  struct part last = {key, 0};
  sqlite3_int64 number = 0;
  int count = 0;
  APPEND(body, "{\"data\":[");
  while (step(row) == SQLITE_ROW && ++count <= PAGE) {
    if (count > 1) APPEND(body, ",");
    APPEND_COLUMN(body, "{\"id\":", row, 1);
    APPEND_COLUMN(body, ",\"type\":", row, 2);
    APPEND_COLUMN(body, ",\"company_name\":", row, 3);
    APPEND_COLUMN(body, ",\"contact_name\":", row, 4);
    APPEND_COLUMN(body, ",\"website\":", row, 5);
    APPEND(body, ",\"service_areas\":");
    append_part(body, column(row, 6));
    APPEND(body, ",\"co_ownership_certified\":");
    if (sqlite3_column_int(row, 7)) {
      APPEND(body, "true}");
    } else {
      APPEND(body, "false}");
    }
    if (count == PAGE) {
      struct part name = column(row, 8);
      last.count = name.count < sizeof key ? name.count : sizeof key;
      memcpy(key, name.start, last.count);
      number = sqlite3_column_int64(row, 0);
    }
  }
  sqlite3_reset(row);
  APPEND(&reader->head, PUBLIC_HEAD);
  char filters[128];
  int length = snprintf(filters, sizeof filters, "sort=company_name&state=%.*s&type=%.*s", (int)state.count,
                        state.start, (int)type.count, type.start);
  finish_list(reader, path, (struct part){filters, (size_t)length}, query, count > PAGE, last, number);
  append_etag(&reader->head, body);
  send_answer(request, reader);
}

// Returns the token's user if they are in the group, else empty. The text is valid until the statement's reset.
static struct part find_member(struct reader *reader, const char *authorization, struct part group, const char *now) {
  if (authorization == NULL || strncmp(authorization, "Bearer ", 7) != 0) return (struct part){NULL, 0};
  unsigned char hash[SHA256_DIGEST_LENGTH];
  sha256(hash, authorization + 7, strlen(authorization + 7));
  sqlite3_stmt *row = reader->member;
  if (sqlite3_bind_blob(row, 1, hash, sizeof hash, SQLITE_TRANSIENT) != SQLITE_OK) fail("sqlite3_bind_blob");
  bind_string(row, 2, now);
  bind(row, 3, group);
  return step(row) == SQLITE_ROW ? column(row, 0) : (struct part){NULL, 0};
}

// GET /api/groups/:groupId/referrals
static void answer_referrals(FCGX_Request *request, struct reader *reader, struct part path, struct part group,
                             const char *authorization) {
  char now[32];
  present(now);
  run(reader->begin);
  bool is_member = find_member(reader, authorization, group, now).start != NULL;
  sqlite3_reset(reader->member);
  struct text *body = &reader->body;
  char key[32];
  struct part last = {key, 0};
  sqlite3_int64 number = 0;
  int count = 0;
  sqlite3_stmt *row = reader->referrals;
  if (is_member) {
    bind(row, 1, group);
    APPEND(body, "{\"data\":[");
    while (step(row) == SQLITE_ROW && ++count <= PAGE) {
      if (count > 1) APPEND(body, ",");
      APPEND_COLUMN(body, "{\"id\":", row, 1);
      APPEND(body, ",\"group_id\":\"");
      append_part(body, group);
      APPEND_COLUMN(body, "\",\"requested_by\":", row, 2);
      APPEND_COLUMN(body, ",\"partner_type\":", row, 3);
      APPEND_COLUMN(body, ",\"status\":", row, 4);
      APPEND(body, ",\"context\":");
      append_part(body, column(row, 5));
      APPEND_COLUMN(body, ",\"partner_id\":", row, 6);
      APPEND_COLUMN(body, ",\"intro_sent_at\":", row, 7);
      APPEND_COLUMN(body, ",\"outcome\":", row, 8);
      APPEND_COLUMN(body, ",\"created_at\":", row, 9);
      APPEND_COLUMN(body, ",\"updated_at\":", row, 10);
      APPEND(body, ",\"partner\":");
      if (sqlite3_column_type(row, 6) == SQLITE_NULL) {
        APPEND(body, "null}");
      } else {
        APPEND_COLUMN(body, "{\"id\":", row, 6);
        APPEND_COLUMN(body, ",\"type\":", row, 11);
        APPEND_COLUMN(body, ",\"company_name\":", row, 12);
        APPEND_COLUMN(body, ",\"contact_name\":", row, 13);
        APPEND_COLUMN(body, ",\"email\":", row, 14);
        APPEND_COLUMN(body, ",\"phone\":", row, 15);
        APPEND_COLUMN(body, ",\"website\":", row, 16);
        APPEND(body, "}}");
      }
      if (count == PAGE) {
        struct part created = column(row, 9);
        last.count = created.count < sizeof key ? created.count : sizeof key;
        memcpy(key, created.start, last.count);
        number = sqlite3_column_int64(row, 0);
      }
    }
    sqlite3_reset(row);
  }
  run(reader->commit);
  if (!is_member) return refuse(request, "404 Not Found");
  APPEND(&reader->head, "Status: 200 OK\r\nCache-Control: private, no-cache\r\n");
  finish_list(reader, path, (struct part){"", 0}, (struct part){"", 0}, count > PAGE, last, number);
  send_answer(request, reader);
}

static void write_change(struct change *change) {
  sem_init(&change->done, 0, 0);
  change->next = NULL;
  pthread_mutex_lock(&queue_lock);
  *queue_end = change;
  queue_end = &change->next;
  pthread_cond_signal(&queue_filled);
  pthread_mutex_unlock(&queue_lock);
  while (sem_wait(&change->done) != 0) {
    if (errno != EINTR) fail("sem_wait");
  }
  sem_destroy(&change->done);
}

// POST /api/groups/:groupId/referrals
static void request_referral(FCGX_Request *request, struct reader *reader, struct part path, struct part group,
                             const char *authorization) {
  char bytes[4096], now[32], id[ID_LENGTH + 1], user[ID_LENGTH];
  struct part json = {bytes, (size_t)FCGX_GetStr(bytes, sizeof bytes, request->in)};
  long long milliseconds = present(now);
  struct part found = find_member(reader, authorization, group, now);
  bool is_member = found.count == sizeof user;
  if (is_member) memcpy(user, found.start, sizeof user);
  sqlite3_reset(reader->member);
  if (!is_member) return refuse(request, "404 Not Found");
  make_id(id, milliseconds);
  struct change change = {.id = id,
                          .now = now,
                          .group = group,
                          .user = {user, sizeof user},
                          .type = member(json, "\"partner_type\""),
                          .state = member(json, "\"state\"")};
  if (change.type.start == NULL) return refuse(request, "422 Unprocessable Content");

  struct text *context = &change.context;
  APPEND(context, "{\"group_size\":");
  append_bare(context, member(json, "\"group_size\""));
  APPEND(context, ",\"home_price_range\":{\"min\":");
  append_bare(context, member(json, "\"min\""));
  APPEND(context, ",\"max\":");
  append_bare(context, member(json, "\"max\""));
  APPEND(context, "},\"timeline\":");
  append_string(context, member(json, "\"timeline\""));
  APPEND(context, ",\"state\":");
  append_string(context, change.state);
  APPEND(context, ",\"specific_need\":");
  append_string(context, member(json, "\"specific_need\""));
  APPEND(context, "}");

  struct text *changes = &change.changes;
  APPEND(changes, "{\"group_id\":{\"from\":null,\"to\":\"");
  append_part(changes, group);
  APPEND(changes, "\"},\"requested_by\":{\"from\":null,\"to\":\"");
  append_part(changes, change.user);
  APPEND(changes, "\"},\"partner_type\":{\"from\":null,\"to\":");
  append_string(changes, change.type);
  APPEND(changes, "},\"status\":{\"from\":null,\"to\":\"pending\"}}");

  write_change(&change);

  struct text *body = &reader->body;
  APPEND(body, "{\"id\":\"");
  append(body, id, ID_LENGTH);
  APPEND(body, "\",\"group_id\":\"");
  append_part(body, group);
  APPEND(body, "\",\"requested_by\":\"");
  append_part(body, change.user);
  APPEND(body, "\",\"partner_type\":");
  append_string(body, change.type);
  APPEND(body, ",\"status\":\"pending\",\"context\":");
  append(body, context->bytes, context->count);
  APPEND(body, ",\"partner_id\":null,\"intro_sent_at\":null,\"outcome\":null,\"created_at\":\"");
  append(body, now, strlen(now));
  APPEND(body, "\",\"updated_at\":\"");
  append(body, now, strlen(now));
  APPEND(body, "\",\"partner\":null,\"timeline\":[{\"status\":\"pending\",\"at\":\"");
  append(body, now, strlen(now));
  APPEND(body, "\"}]}");
  free(context->bytes);
  free(changes->bytes);
  if (change.is_refused) return refuse(request, "409 Conflict");
  struct text *head = &reader->head;
  APPEND(head, "Status: 201 Created\r\nCache-Control: private, no-cache\r\n");
  append_etag(head, body);
  APPEND(head, "Location: ");
  append_part(head, path);
  APPEND(head, "/");
  append(head, id, ID_LENGTH);
  APPEND(head, "\r\n");
  send_answer(request, reader);
}

// --- The writer ---

static void insert(sqlite3_stmt *referral, sqlite3_stmt *event, struct change *change) {
  bind_string(referral, 1, change->id);
  bind(referral, 2, change->group);
  bind(referral, 3, change->user);
  bind(referral, 4, change->type);
  bind(referral, 5, (struct part){change->context.bytes, change->context.count});
  bind(referral, 6, change->state);
  bind_string(referral, 7, change->now);
  change->is_refused = run(referral) != SQLITE_DONE;
  if (change->is_refused) return;
  bind_string(event, 1, change->now);
  bind(event, 2, change->user);
  bind_string(event, 3, change->id);
  bind(event, 4, (struct part){change->changes.bytes, change->changes.count});
  if (run(event) != SQLITE_DONE) fail("an event was refused");
}

static int wal_pages;

static int note_wal_pages(void *unused, sqlite3 *database, const char *name, int pages) {
  (void)unused, (void)database, (void)name;
  wal_pages = pages;
  return SQLITE_OK;
}

static void *write_changes(void *unused) {
  (void)unused;
  sqlite3 *database = open_database();
  sqlite3_wal_hook(database, note_wal_pages, NULL);
  sqlite3_stmt *begin = prepare(database, "BEGIN IMMEDIATE"), *commit = prepare(database, "COMMIT");
  sqlite3_stmt *referral = prepare(
      database,
      "INSERT INTO referral_requests (id, group_id, requested_by, partner_type, status, context, state, created_at,"
      " updated_at) VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?6, ?7, ?7)");
  sqlite3_stmt *event = prepare(
      database,
      "INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes)"
      " VALUES (?, ?, 'referral', ?, 'referral.requested', ?)");
  int checkpoint_at = 1000;
  for (;;) {
    pthread_mutex_lock(&queue_lock);
    while (queue == NULL) pthread_cond_wait(&queue_filled, &queue_lock);
    struct change *batch = queue;
    queue = NULL;
    queue_end = &queue;
    pthread_mutex_unlock(&queue_lock);
    while (batch != NULL) {
      struct change *end = one_commit_each ? batch->next : NULL;
      run(begin);
      for (struct change *change = batch; change != end; change = change->next) insert(referral, event, change);
      if (run(commit) != SQLITE_DONE) fail("a commit was refused");
      while (batch != end) {
        // The change belongs to its caller again after the post.
        struct change *next = batch->next;
        sem_post(&batch->done);
        batch = next;
      }
      // As in the service: a passive checkpoint every thousand pages.
      if (wal_pages < checkpoint_at - 1000) checkpoint_at = 1000;
      if (wal_pages >= checkpoint_at) {
        sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        checkpoint_at = wal_pages + 1000;
      }
    }
  }
  return NULL;
}

// --- A request ---

static void *start(void) {
  struct reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) fail("calloc");
  sqlite3 *database = reader->database = open_database();
  reader->begin = prepare(database, "BEGIN");
  reader->commit = prepare(database, "COMMIT");
  reader->coverage = prepare(
      database, "SELECT status, partner_count FROM service_area_coverage WHERE state_code = ? AND partner_type = ?");
  reader->directory = prepare(
      database,
      "SELECT p.number, p.id, p.type, p.company_name, p.contact_name, p.website, p.service_areas,"
      " p.co_ownership_certified, a.name_key FROM partner_areas AS a JOIN partners AS p ON p.number = a.partner_number"
      " WHERE a.state_code = ? AND a.type = ? AND a.active = 1"
      " ORDER BY a.name_key, a.partner_number LIMIT 26");
  reader->member = prepare(
      database,
      "SELECT t.user_id FROM tokens AS t JOIN users AS u ON u.id = t.user_id"
      " JOIN group_members AS m ON m.user_id = t.user_id"
      " WHERE t.sha256 = ? AND t.revoked_at IS NULL AND NOT u.disabled AND (t.expires_at IS NULL OR t.expires_at > ?)"
      " AND m.group_id = ?");
  reader->referrals = prepare(
      database,
      "SELECT r.number, r.id, r.requested_by, r.partner_type, r.status, r.context, r.partner_id, r.intro_sent_at,"
      " r.outcome, r.created_at, r.updated_at, p.type, p.company_name,"
      // Contact data shows from the introduction on, and no longer once the partner is removed.
      " CASE WHEN r.intro_sent_at IS NOT NULL AND p.status <> 'removed' THEN p.contact_name END,"
      " CASE WHEN r.intro_sent_at IS NOT NULL AND p.status <> 'removed' THEN p.email END,"
      " CASE WHEN r.intro_sent_at IS NOT NULL AND p.status <> 'removed' THEN p.phone END, p.website"
      " FROM referral_requests AS r LEFT JOIN partners AS p ON p.id = r.partner_id"
      " WHERE r.group_id = ? ORDER BY r.created_at DESC, r.number DESC LIMIT 26");
  return reader;
}

static void answer(FCGX_Request *request, void *state) {
  struct reader *reader = state;
  reader->head.count = reader->body.count = 0;
  const char *method = "", *target = "", *authorization = NULL;
  for (char **entry = request->envp; *entry != NULL; entry++) {
    if (strncmp(*entry, "REQUEST_METHOD=", 15) == 0) method = *entry + 15;
    if (strncmp(*entry, "REQUEST_URI=", 12) == 0) target = *entry + 12;
    if (strncmp(*entry, "HTTP_AUTHORIZATION=", 19) == 0) authorization = *entry + 19;
  }
  struct part path = {target, strcspn(target, "?")};
  struct part query = {target + path.count + (target[path.count] == '?'), 0};
  query.count = strlen(query.start);
  const char coverage[] = "/api/coverage/", groups[] = "/api/groups/", referrals[] = "/referrals";
  const size_t id = sizeof groups - 1, end = id + ID_LENGTH;
  if (path.count == end + sizeof referrals - 1 && memcmp(target, groups, id) == 0 &&
      memcmp(target + end, referrals, sizeof referrals - 1) == 0) {
    struct part group = {target + id, ID_LENGTH};
    if (strcmp(method, "POST") == 0) {
      request_referral(request, reader, path, group, authorization);
    } else {
      answer_referrals(request, reader, path, group, authorization);
    }
  } else if (strncmp(target, coverage, sizeof coverage - 1) == 0) {
    answer_coverage(request, reader,
                    (struct part){target + sizeof coverage - 1, path.count - (sizeof coverage - 1)});
  } else if (path.count == 13 && memcmp(target, "/api/partners", 13) == 0) {
    answer_directory(request, reader, path, query);
  } else {
    refuse(request, "404 Not Found");
  }
}

int main(int count, char **arguments) {
  one_commit_each = count == 5 && strcmp(arguments[4], "--one-commit-each") == 0;
  if (count != 4 && !one_commit_each) fail("usage: limit SOCKET THREADS DATABASE [--one-commit-each]");
  database_path = arguments[3];
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3 *database = open_database();
  read_cursor_key(database);
  sqlite3_close(database);
  pthread_t writer;
  errno = pthread_create(&writer, NULL, write_changes, NULL);
  if (errno != 0) fail("pthread_create");
  respond(arguments[1], atoi(arguments[2]), start, answer);
}
