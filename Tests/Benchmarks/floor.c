// The floor: a responder that answers every request with the same few bytes and does nothing else.
// Usage: floor SOCKET THREADS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "responder.h"

static char answer_bytes[512];

static void *start(void) { return NULL; }

static void answer(FCGX_Request *request, void *state) {
  (void)state;
  FCGX_PutStr(answer_bytes, (int)strlen(answer_bytes), request->out);
}

int main(int count, char **arguments) {
  if (count != 3) fail("usage: floor SOCKET THREADS");
  const char *body =
      "{\"state_code\":\"MN\",\"state_name\":\"Minnesota\",\"partner_type\":\"attorney\",\"status\":\"available\","
      "\"message\":\"Available\",\"partner_count\":34}";
  snprintf(answer_bytes, sizeof answer_bytes,
           "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
  respond(arguments[1], atoi(arguments[2]), start, answer);
}
