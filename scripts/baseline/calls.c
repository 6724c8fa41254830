/* Times socket() + close() in one process: libc's own as TCP, libc's own as MPTCP, and the
 * socket() that a preloaded library put in its place.
 *
 *   LD_PRELOAD=LIBRARY calls ROUNDS
 *
 * Prints "tcp NS", "mptcp NS" and "hooked NS": medians over the rounds, nanoseconds for one pair;
 * and "added NS", the median of what hooked took more than mptcp in the same round. A round times a
 * batch of pairs of each kind, in shuffled order. Ends with 1 when the preloaded socket() gives no
 * MPTCP socket. Without ROUNDS it only checks that.
 *
 * Sockets are made and closed, never bound or connected: no traffic.
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

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { TCP, MPTCP, HOOKED, KINDS };
enum { BATCH = 50 };

typedef int socket_fn(int, int, int);

static struct kind {
	const char *name;
	socket_fn *make;
	int protocol;
	int64_t *took;
} kinds[KINDS] = {
	[TCP] = { "tcp", NULL, 0, NULL },
	[MPTCP] = { "mptcp", NULL, IPPROTO_MPTCP, NULL },
	[HOOKED] = { "hooked", socket, 0, NULL },
};

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t batch(const struct kind *kind)
{
	int64_t start = now_ns();
	for (int i = 0; i < BATCH; i++)
		close(kind->make(AF_INET, SOCK_STREAM, kind->protocol));
	return now_ns() - start;
}

static void check_upgrade(void)
{
	int protocol = 0, fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t size = sizeof protocol;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size))
		error(1, errno, "socket");
	if (protocol != IPPROTO_MPTCP)
		error(1, 0, "socket() gave protocol %d, not MPTCP", protocol);
	close(fd);
}

static void pin(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set))
		error(1, errno, "cannot run on CPU %d only", cpu);
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void print_median(const char *name, int64_t *batches, int rounds)
{
	qsort(batches, rounds, sizeof *batches, ascending);
	printf("%s %lld\n", name, (long long)(batches[rounds / 2] / BATCH));
}

int main(int argc, char **argv)
{
	check_upgrade();
	if (argc < 2)
		return 0;
	int rounds = atoi(argv[1]);
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	socket_fn *native = libc ? (socket_fn *)dlsym(libc, "socket") : NULL;
	if (rounds < 1 || !native)
		error(2, 0, "usage: LD_PRELOAD=LIBRARY calls ROUNDS (with glibc)");

	pin();
	kinds[TCP].make = kinds[MPTCP].make = native;
	int64_t *added = calloc(rounds, sizeof *added);
	for (int i = 0; i < KINDS; i++) {
		kinds[i].took = calloc(rounds, sizeof *kinds[i].took);
		if (!added || !kinds[i].took)
			error(1, errno, "calloc");
		batch(&kinds[i]);
	}
	srand(1);
	for (int round = 0; round < rounds; round++) {
		/* The six orders of three. */
		int order = rand() % 6, first = order % 3, step = order / 3 + 1;
		for (int i = 0; i < KINDS; i++) {
			struct kind *kind = &kinds[(first + i * step) % KINDS];
			kind->took[round] = batch(kind);
		}
	}
	for (int round = 0; round < rounds; round++)
		added[round] = kinds[HOOKED].took[round] - kinds[MPTCP].took[round];
	for (int i = 0; i < KINDS; i++)
		print_median(kinds[i].name, kinds[i].took, rounds);
	print_median("added", added, rounds);
	return 0;
}
