// The common part of the references in C: a fast FastCGI responder on libfcgi and epoll.
#pragma once

#include <fcgiapp.h>
#include <stddef.h>

// A growing buffer for an answer. It is emptied, not freed, between two requests.
struct text {
  char *bytes;
  size_t count;
  size_t room;
};

// Appends bytes, or ends the process if there is no memory.
void append(struct text *text, const char *bytes, size_t count);

// Appends a literal.
#define APPEND(text, literal) append((text), "" literal, sizeof(literal) - 1)

// Ends the process with a message, and with errno's text if it is not 0.
_Noreturn void fail(const char *what);

// Answers requests on a socket until the process is killed.
//
// Each thread calls `start` once and passes the result to `answer`, which reads the request and writes the whole
// answer. No thread belongs to a connection.
void respond(const char *socket_path, int threads, void *(*start)(void),
             void (*answer)(FCGX_Request *request, void *state));
