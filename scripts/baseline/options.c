/* Times what the preloaded library adds to calls that succeed, and what a demotion takes.
 *
 *   LD_PRELOAD=LIBRARY options ROUNDS
 *
 * Prints "NAME NATIVE ADDED": nanoseconds for one setsockopt(TCP_NODELAY), getsockopt and a
 * connect that is refused at once, on an MPTCP socket, through libc and through the library; medians over
 * the rounds of interleaved batches. Then "demotion NS": setsockopt(TCP_USER_TIMEOUT) on a socket
 * with four options set, less the same call on a TCP socket.
 *
 * No traffic: connect goes to a closed address family.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <error.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { BATCH = 200, KINDS = 3 };

typedef int set_fn(int, int, int, const void *, socklen_t);
typedef int get_fn(int, int, int, void *, socklen_t *);
typedef int connect_fn(int, const struct sockaddr *, socklen_t);

static const char *const names[KINDS] = { "setsockopt", "getsockopt", "connect" };
static set_fn *set[2] = { NULL, setsockopt };
static get_fn *get[2] = { NULL, getsockopt };
static connect_fn *dial[2] = { NULL, connect };

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t batch(int kind, int hooked, int fd)
{
	struct sockaddr_in nowhere = { .sin_family = AF_NETLINK };
	int64_t start = now_ns();
	for (int i = 0; i < BATCH; i++) {
		int value = 1;
		socklen_t size = sizeof value;
		if (kind == 0)
			set[hooked](fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value);
		else if (kind == 1)
			get[hooked](fd, IPPROTO_TCP, TCP_NODELAY, &value, &size);
		else
			dial[hooked](fd, (struct sockaddr *)&nowhere, sizeof nowhere);
	}
	return now_ns() - start;
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int64_t median(int64_t *values, int count)
{
	qsort(values, count, sizeof *values, ascending);
	return values[count / 2];
}

static int protocol_of(int fd)
{
	int protocol = 0;
	socklen_t size = sizeof protocol;

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size))
		error(1, errno, "SO_PROTOCOL");
	return protocol;
}

static int prepared(void)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		error(1, errno, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &on, sizeof on);
	return fd;
}

static int64_t demotion(void)
{
	int value = 1000, fd = prepared();
	int64_t start, took;

	if (protocol_of(fd) != IPPROTO_MPTCP)
		error(1, 0, "socket() is not upgraded");
	start = now_ns();
	if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value))
		error(1, errno, "TCP_USER_TIMEOUT");
	took = now_ns() - start;
	start = now_ns();
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value);
	took -= now_ns() - start;
	if (protocol_of(fd) != IPPROTO_TCP)
		error(1, 0, "the socket was not demoted");
	close(fd);
	return took;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0;
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	cpu_set_t one;

	if (rounds < 1 || !libc)
		error(2, 0, "usage: LD_PRELOAD=LIBRARY options ROUNDS (with glibc)");
	set[0] = (set_fn *)dlsym(libc, "setsockopt");
	get[0] = (get_fn *)dlsym(libc, "getsockopt");
	dial[0] = (connect_fn *)dlsym(libc, "connect");
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof one, &one))
		error(1, errno, "cannot stay on one CPU");

	int64_t *native = calloc(rounds, sizeof *native), *added = calloc(rounds, sizeof *added);
	if (!native || !added)
		error(1, errno, "calloc");
	srand(1);
	for (int kind = 0; kind < KINDS; kind++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		for (int round = 0; round < rounds; round++) {
			int64_t took[2];
			int first = rand() & 1;
			took[first] = batch(kind, first, fd);
			took[!first] = batch(kind, !first, fd);
			native[round] = took[0];
			added[round] = took[1] - took[0];
		}
		close(fd);
		printf("%s %.1f %.1f\n", names[kind], (double)median(native, rounds) / BATCH,
		       (double)median(added, rounds) / BATCH);
	}
	for (int round = 0; round < rounds; round++)
		native[round] = demotion();
	printf("demotion %lld\n", (long long)median(native, rounds));
	return 0;
}
