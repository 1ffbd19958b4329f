// libfcgi's request interface, and the Linux calls that Swift's Glibc module leaves out.
#pragma once

#include <fastcgi.h>
#include <fcgiapp.h>

#include <linux/memfd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

// The C library declares these two for _GNU_SOURCE alone, which Swift's Glibc module is built
// without, and two modules that see the same headers differently do not compile together. The
// declarations are those of accept(2) and memfd_create(2).
extern int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
extern int memfd_create(const char *name, unsigned int flags);
