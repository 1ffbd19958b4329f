// A crowd of clients, each with a kept connection: it sends a request, waits for the answer, and sends the next. Counts
// the answers of each client, since a client without answers shows neither in the throughput nor in the times.
// Usage: crowd fastcgi SOCKET | http PORT, then FILE CLIENTS SECONDS
// FILE holds one request. Prints JSON: each client's answers, and times in microseconds.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_LIMIT 65536
#define FCGI_HEADER 8
#define FCGI_END_REQUEST 3

struct client {
  int descriptor;
  int64_t sent;
  long answers;
  size_t count;
  char answer[ANSWER_LIMIT + 1];
};

static char request[ANSWER_LIMIT];
static size_t request_count;
static uint32_t *times;
static size_t times_count, times_room;

_Noreturn static void fail(const char *what) {
  if (errno != 0) {
    perror(what);
  } else {
    fprintf(stderr, "%s\n", what);
  }
  exit(1);
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int connect_to(bool speaks_http, const char *address) {
  int on = 1;
  int descriptor = socket(speaks_http ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail("socket");
  if (speaks_http) {
    struct sockaddr_in place = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(address)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(descriptor, (struct sockaddr *)&place, sizeof place) != 0) fail("connect");
    if (setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("setsockopt");
  } else {
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    if (strlen(address) >= sizeof place.sun_path) fail("the socket's path is too long");
    strcpy(place.sun_path, address);
    if (connect(descriptor, (struct sockaddr *)&place, sizeof place) != 0) fail("connect");
  }
  if (fcntl(descriptor, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  return descriptor;
}

static void ask(struct client *client) {
  client->count = 0;
  client->sent = nanoseconds();
  if (send(client->descriptor, request, request_count, MSG_NOSIGNAL) != (ssize_t)request_count) fail("send");
}

// Whether the answer is complete. Ends the program if its status is not 200.
static bool is_whole_http(struct client *client) {
  client->answer[client->count] = 0;
  char *end = strstr(client->answer, "\r\n\r\n");
  if (end == NULL) return false;
  if (strncmp(client->answer, "HTTP/1.1 200 ", strlen("HTTP/1.1 200 ")) != 0) fail(client->answer);
  char *length = strcasestr(client->answer, "\r\nContent-Length:");
  if (length == NULL || length > end) fail("an answer without Content-Length");
  size_t whole = (size_t)(end + 4 - client->answer) + (size_t)atol(length + strlen("\r\nContent-Length:"));
  if (client->count > whole) fail("more than the answer arrived");
  return client->count == whole;
}

static bool is_whole_fastcgi(struct client *client) {
  size_t start = 0;
  while (client->count - start >= FCGI_HEADER) {
    const unsigned char *header = (const unsigned char *)client->answer + start;
    size_t next = start + FCGI_HEADER + (size_t)(header[4] << 8 | header[5]) + header[6];
    if (next > client->count) return false;
    if (start == 0 && memcmp(client->answer + FCGI_HEADER, "Status: 200", strlen("Status: 200")) != 0) {
      fail(client->answer + FCGI_HEADER);
    }
    if (header[1] == FCGI_END_REQUEST && next != client->count) fail("more than the answer arrived");
    if (header[1] == FCGI_END_REQUEST) return true;
    start = next;
  }
  return false;
}

static void note(int64_t nanoseconds) {
  if (times_count == times_room) {
    times_room = 2 * times_room + 4096;
    times = realloc(times, times_room * sizeof *times);
    if (times == NULL) fail("realloc");
  }
  times[times_count++] = (uint32_t)(nanoseconds / 100);
}

static int compare(const void *one, const void *other) {
  uint32_t left = *(const uint32_t *)one, right = *(const uint32_t *)other;
  return (left > right) - (left < right);
}

static double percentile(double share) { return times[(size_t)(share * (double)(times_count - 1))] / 10.0; }

int main(int argument_count, char **arguments) {
  errno = 0;
  if (argument_count != 6 || (strcmp(arguments[1], "http") != 0 && strcmp(arguments[1], "fastcgi") != 0)) {
    fail("usage: crowd fastcgi SOCKET | http PORT, then FILE CLIENTS SECONDS");
  }
  bool speaks_http = strcmp(arguments[1], "http") == 0;
  int file = open(arguments[3], O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? -1 : read(file, request, sizeof request);
  if (length <= 0) fail(arguments[3]);
  request_count = (size_t)length;
  int clients_count = atoi(arguments[4]);
  double seconds = atof(arguments[5]);
  struct client *clients = clients_count > 0 ? calloc((size_t)clients_count, sizeof *clients) : NULL;
  int epoll_set = epoll_create1(EPOLL_CLOEXEC);
  if (clients == NULL || epoll_set < 0) fail("cannot start");
  for (int index = 0; index < clients_count; index++) {
    clients[index].descriptor = connect_to(speaks_http, arguments[2]);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[index]};
    if (epoll_ctl(epoll_set, EPOLL_CTL_ADD, clients[index].descriptor, &event) != 0) fail("epoll_ctl");
  }
  int64_t start = nanoseconds(), end = start + (int64_t)(seconds * 1e9);
  for (int index = 0; index < clients_count; index++) ask(&clients[index]);
  while (nanoseconds() < end) {
    struct epoll_event events[64];
    int ready = epoll_wait(epoll_set, events, 64, 100);
    for (int index = 0; index < ready; index++) {
      struct client *client = events[index].data.ptr;
      ssize_t count =
          recv(client->descriptor, client->answer + client->count, ANSWER_LIMIT - client->count, 0);
      if (count < 0 && errno == EAGAIN) continue;
      errno = count == 0 ? 0 : errno;
      if (count <= 0) fail("a connection ended, or an answer is too long");
      client->count += (size_t)count;
      if (!(speaks_http ? is_whole_http(client) : is_whole_fastcgi(client))) continue;
      client->answers++;
      note(nanoseconds() - client->sent);
      ask(client);
    }
  }
  // A client that is still waiting has waited at least this long.
  for (int index = 0; index < clients_count; index++) note(nanoseconds() - clients[index].sent);
  qsort(times, times_count, sizeof *times, compare);
  printf("{\"answers\":[");
  for (int index = 0; index < clients_count; index++) printf("%s%ld", index ? "," : "", clients[index].answers);
  printf("],\"seconds\":%.3f,\"p50\":%.1f,\"p99\":%.1f,\"most\":%.1f}\n", (double)(nanoseconds() - start) / 1e9,
         percentile(0.5), percentile(0.99), percentile(1));
  return 0;
}
