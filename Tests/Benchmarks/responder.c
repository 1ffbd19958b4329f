#define _GNU_SOURCE
#include "responder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int epoll_set, listener;
static void *(*start_thread)(void);
static void (*answer_request)(FCGX_Request *request, void *state);

void fail(const char *what) {
  if (errno != 0) {
    perror(what);
  } else {
    fprintf(stderr, "%s\n", what);
  }
  exit(1);
}

void append(struct text *text, const char *bytes, size_t count) {
  if (text->room - text->count < count) {
    text->room = 2 * (text->count + count) + 4096;
    text->bytes = realloc(text->bytes, text->room);
    if (text->bytes == NULL) fail("realloc");
  }
  memcpy(text->bytes + text->count, bytes, count);
  text->count += count;
}

static void watch(int operation, int descriptor, FCGX_Request *connection) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = connection};
  if (epoll_ctl(epoll_set, operation, descriptor, &event) != 0) fail("epoll_ctl");
}

// Handles a connection's next request, or its end. FCGX_Accept_r reads from the request's descriptor. The request has
// no listening socket, so when the peer has closed, it closes the descriptor and fails.
static void serve(FCGX_Request *connection, int operation, void *state) {
  if (FCGX_Accept_r(connection) != 0) {
    free(connection);
    return;
  }
  answer_request(connection, state);
  // Unread bytes would be parsed as the connection's next request.
  while (FCGX_GetChar(connection->in) != EOF) {
  }
  FCGX_Finish_r(connection);
  if (connection->ipcFd < 0) {
    free(connection);
  } else {
    watch(operation, connection->ipcFd, connection);
  }
}

static void *work(void *unused) {
  (void)unused;
  void *state = start_thread();
  for (;;) {
    struct epoll_event event;
    if (epoll_wait(epoll_set, &event, 1, -1) != 1) {
      if (errno == EINTR) continue;
      fail("epoll_wait");
    }
    if (event.data.ptr != NULL) {
      serve(event.data.ptr, EPOLL_CTL_MOD, state);
      continue;
    }
    int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int problem = errno;
    watch(EPOLL_CTL_MOD, listener, NULL);
    if (descriptor < 0) {
      errno = problem;
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) continue;
      fail("accept4");
    }
    FCGX_Request *connection = malloc(sizeof *connection);
    if (connection == NULL || FCGX_InitRequest(connection, -1, 0) != 0) fail("FCGX_InitRequest");
    connection->ipcFd = descriptor;
    // Otherwise FCGX_Accept_r, which first finishes the previous request, would close the connection.
    connection->keepConnection = 1;
    serve(connection, EPOLL_CTL_ADD, state);
  }
  return NULL;
}

void respond(const char *socket_path, int threads, void *(*start)(void),
             void (*answer)(FCGX_Request *request, void *state)) {
  start_thread = start;
  answer_request = answer;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(socket_path) >= sizeof address.sun_path) fail("the socket's path is too long");
  strcpy(address.sun_path, socket_path);
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (FCGX_Init() != 0 || listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(listener, 1024) != 0) {
    fail(socket_path);
  }
  // libfcgi handles it for an accept loop that is not used here.
  signal(SIGTERM, SIG_DFL);
  epoll_set = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_set < 0) fail("epoll_create1");
  watch(EPOLL_CTL_ADD, listener, NULL);
  for (int index = 1; index < threads; index++) {
    pthread_t thread;
    errno = pthread_create(&thread, NULL, work, NULL);
    if (errno != 0) fail("pthread_create");
  }
  work(NULL);
}
