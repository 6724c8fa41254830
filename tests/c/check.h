/* What the small programs share. Not here: anything that a test looks at. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A value that no call leaves in errno by itself. */
#define MARK 12345

/* The protocol of a socket as the kernel knows it: 6 is TCP, 262 is MPTCP; -1 for no socket. */
static inline int protocol_of(int fd)
{
	int protocol = -1;
	socklen_t size = sizeof protocol;

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0)
		return -1;
	return protocol;
}

/* Has this program tried its luck for long enough? Threads that hand something to each other and never
   sleep need a slice of the processor for each time, which comes late on a busy machine. */
static inline int enough(void)
{
	static time_t end;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!end)
		end = now.tv_sec + 15;
	return now.tv_sec >= end;
}

static inline void must(int fine, const char *what)
{
	if (!fine) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		exit(99);
	}
}

#endif
