// What the references in C share: a FastCGI responder on libfcgi and epoll, as quick as one can be made.
#pragma once

#include <fcgiapp.h>
#include <stddef.h>

// Bytes that grow. An answer is written into one; it is emptied, not freed, between two requests.
struct text {
  char *bytes;
  size_t count;
  size_t room;
};

// Appends bytes, or ends the process when there is no memory.
void append(struct text *text, const char *bytes, size_t count);

// Appends a literal.
#define APPEND(text, literal) append((text), "" literal, sizeof(literal) - 1)

// Ends the process with a message, and errno's if it is not 0.
_Noreturn void fail(const char *what);

// Answers requests on a socket until the process is killed.
//
// Each of the threads calls `start` once and hands what it returns to `answer`, which reads the request and writes
// the whole answer. No thread belongs to a connection.
void respond(const char *socket_path, int threads, void *(*start)(void),
             void (*answer)(FCGX_Request *request, void *state));
