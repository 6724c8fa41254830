/* Times socket() + close() in one process, as the program's own code makes the calls.
 *
 *   via ROUNDS KIND PROTOCOL
 *
 * KIND is stream (asks for TCP), mptcp or datagram (which a filter of ours looks at and lets pass),
 * timeout (asks for TCP, and sets TCP_USER_TIMEOUT, for which the socket becomes TCP), or one call
 * instead of the pair: getppid (which a filter need not even look at), nodelay (TCP_NODELAY set on an
 * MPTCP socket, passes), ttl (IP_TTL set on a UDP socket, which a supervisor hands back). Prints the
 * median over the rounds, nanoseconds for one turn. Ends with 1 when the sockets do not have
 * PROTOCOL (6, 17, 262). Sockets are made and closed, never bound or connected: no traffic. On one CPU,
 * because where a supervisor answers, two would measure how fast an idle one wakes up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 20 };

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int main(int argc, char **argv)
{
	int rounds = argc == 4 ? atoi(argv[1]) : 0, protocol = 0;
	if (rounds < 1)
		error(2, 0, "usage: via ROUNDS stream|mptcp|datagram|timeout|getppid|nodelay|ttl PROTOCOL");
	int other = strcmp(argv[2], "getppid") == 0, nodelay = strcmp(argv[2], "nodelay") == 0;
	int timeout = strcmp(argv[2], "timeout") == 0, ttl = strcmp(argv[2], "ttl") == 0;
	int type = strcmp(argv[2], "datagram") == 0 || ttl ? SOCK_DGRAM : SOCK_STREAM;
	int asked = strcmp(argv[2], "mptcp") == 0 || nodelay ? 262 : 0, value = 64, made;
	int fd = socket(AF_INET, type, asked);
	socklen_t size = sizeof protocol;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size))
		error(1, errno, "socket");
	if (protocol != atoi(argv[3]))
		error(1, 0, "socket() gave protocol %d, not %s", protocol, argv[3]);
	if (!nodelay && !ttl)
		close(fd);

	int64_t *took = calloc(rounds, sizeof *took);
	if (!took)
		error(1, errno, "calloc");
	for (int round = 0; round < rounds; round++) {
		int64_t start = now_ns();
		for (int i = 0; i < BATCH; i++)
			if (other)
				syscall(SYS_getppid);
			else if (nodelay)
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
			else if (ttl)
				setsockopt(fd, IPPROTO_IP, IP_TTL, &value, sizeof value);
			else if (timeout) {
				made = socket(AF_INET, type, 0);
				if (setsockopt(made, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value))
					error(1, errno, "TCP_USER_TIMEOUT");
				close(made);
			} else
				close(socket(AF_INET, type, asked));
		took[round] = now_ns() - start;
	}
	qsort(took, rounds, sizeof *took, ascending);
	printf("%lld\n", (long long)(took[rounds / 2] / BATCH));
	return 0;
}
