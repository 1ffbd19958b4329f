// An open-loop client. It sends each request at its planned time, whether or not earlier ones are answered, and the
// response time counts from then. So a server that stalls also pays for the requests that arrive meanwhile.
// Usage: load PORT REQUESTS_PER_SECOND CONNECTIONS STATUS FILE
// FILE holds requests, each after its length in bytes and a line feed. Prints times in microseconds as JSON.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

// Longer than any head. Bodies are not kept.
#define HEAD_LIMIT 8192

struct connection {
  int descriptor;
  int64_t due;
  char head[HEAD_LIMIT + 1];
  size_t head_count;
  // The bytes of the body that are missing; below 0 until the head is complete.
  long body_left;
  bool closes;
  struct connection *next;
};

struct request {
  const char *bytes;
  size_t count;
};

static int epoll_set;
static struct sockaddr_in address = {.sin_family = AF_INET};
static struct connection *idle;
static int status_expected;
static long answered, wrong;
static int64_t *times;

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

static void open_connection(struct connection *connection) {
  int on = 1;
  connection->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection->descriptor < 0 ||
      connect(connection->descriptor, (struct sockaddr *)&address, sizeof address) != 0 ||
      setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      fcntl(connection->descriptor, F_SETFL, O_NONBLOCK) != 0) {
    fail("connect");
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(epoll_set, EPOLL_CTL_ADD, connection->descriptor, &event) != 0) fail("epoll_ctl");
  connection->next = idle;
  idle = connection;
}

static void send_request(struct connection *connection, struct request request) {
  connection->head_count = 0;
  connection->body_left = -1;
  connection->closes = false;
  ssize_t sent = send(connection->descriptor, request.bytes, request.count, MSG_NOSIGNAL);
  if (sent != (ssize_t)request.count) fail("send");
}

// Looks for the end of the head, and reads the body's length and whether the connection closes.
static void read_head(struct connection *connection) {
  connection->head[connection->head_count] = 0;
  char *end = strstr(connection->head, "\r\n\r\n");
  if (end == NULL) {
    if (connection->head_count == HEAD_LIMIT) fail("a head is too long");
    return;
  }
  char *rest = end + 4;
  *end = 0;
  char *length = strcasestr(connection->head, "\r\nContent-Length:");
  if (length == NULL) fail("an answer without Content-Length");
  connection->closes = strcasestr(connection->head, "\r\nConnection: close") != NULL;
  if (atoi(connection->head + strlen("HTTP/1.1 ")) != status_expected) wrong++;
  long arrived = (long)(connection->head + connection->head_count - rest);
  connection->body_left = atol(length + strlen("\r\nContent-Length:")) - arrived;
}

static void receive(struct connection *connection) {
  char body[65536];
  for (;;) {
    bool in_head = connection->body_left < 0;
    char *target = in_head ? connection->head + connection->head_count : body;
    ssize_t count =
        recv(connection->descriptor, target, in_head ? HEAD_LIMIT - connection->head_count : sizeof body, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) fail("recv");
    if (in_head) {
      connection->head_count += (size_t)count;
      read_head(connection);
    } else {
      connection->body_left -= count;
    }
    if (connection->body_left == 0) break;
  }
  times[answered++] = nanoseconds() - connection->due;
  if (connection->closes) {
    close(connection->descriptor);
    open_connection(connection);
  } else {
    connection->next = idle;
    idle = connection;
  }
}

static int compare(const void *one, const void *other) {
  int64_t left = *(const int64_t *)one, right = *(const int64_t *)other;
  return (left > right) - (left < right);
}

static double percentile(double share) { return (double)times[(long)(share * (double)(answered - 1))] / 1000; }

static struct request *read_requests(const char *path, long *count) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) fail(path);
  const char *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (bytes == MAP_FAILED) fail(path);
  struct request *requests = NULL;
  long room = 0;
  *count = 0;
  for (const char *end = bytes + status.st_size; bytes < end; (*count)++) {
    if (*count == room) {
      room = 2 * room + 1024;
      requests = realloc(requests, (size_t)room * sizeof *requests);
      if (requests == NULL) fail("realloc");
    }
    char *start;
    size_t length = strtoul(bytes, &start, 10);
    if (*start != '\n' || length == 0 || length > (size_t)(end - start - 1)) fail("the file holds no requests");
    requests[*count] = (struct request){start + 1, length};
    bytes = start + 1 + length;
  }
  return requests;
}

int main(int argument_count, char **arguments) {
  if (argument_count != 6) fail("usage: load PORT REQUESTS_PER_SECOND CONNECTIONS STATUS FILE");
  address.sin_port = htons((uint16_t)atoi(arguments[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  double interval = 1e9 / atof(arguments[2]);
  int connections = atoi(arguments[3]);
  status_expected = atoi(arguments[4]);
  long count;
  struct request *requests = read_requests(arguments[5], &count);
  times = malloc((size_t)count * sizeof *times);
  epoll_set = epoll_create1(EPOLL_CLOEXEC);
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (times == NULL || epoll_set < 0 || timer < 0 || epoll_ctl(epoll_set, EPOLL_CTL_ADD, timer, &event) != 0) {
    fail("cannot start");
  }
  for (int index = 0; index < connections; index++) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) fail("calloc");
    open_connection(connection);
  }
  int64_t start = nanoseconds();
  for (long next = 0; answered < count;) {
    int64_t due = start + (int64_t)((double)next * interval);
    if (next < count && idle != NULL && due <= nanoseconds()) {
      struct connection *connection = idle;
      idle = connection->next;
      connection->due = due;
      send_request(connection, requests[next++]);
      continue;
    }
    if (next < count && idle != NULL) {
      struct itimerspec time = {.it_value = {due / 1000000000, due % 1000000000}};
      if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &time, NULL) != 0) fail("timerfd_settime");
    }
    struct epoll_event events[64];
    int ready = epoll_wait(epoll_set, events, 64, 10000);
    if (ready == 0) {
      errno = 0;
      fail("no answer for 10 seconds");
    }
    for (int index = 0; index < ready; index++) {
      uint64_t expirations;
      if (events[index].data.ptr != NULL) {
        receive(events[index].data.ptr);
      } else if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) {
        fail("read");
      }
    }
  }
  double seconds = (double)(nanoseconds() - start) / 1e9;
  qsort(times, (size_t)answered, sizeof *times, compare);
  printf("{\"answered\":%ld,\"wrong\":%ld,\"seconds\":%.3f,\"p50\":%.1f,\"p99\":%.1f,\"most\":%.1f}\n", answered, wrong,
         seconds, percentile(0.5), percentile(0.99), percentile(1));
  return wrong != 0;
}
