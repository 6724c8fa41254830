/*
 * race ROUNDS: in each round threads set one option each on the same new socket at the same
 * moment, two of them options that MPTCP refuses. Prints how many were lost. Fewer rounds where they
 * take too long.
 */
#include "check.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

enum { THREADS = 4 };

static const struct {
	int level, name, value;
} options[THREADS] = {
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 1234 },
	{ IPPROTO_TCP, TCP_NODELAY, 1 },
	{ IPPROTO_TCP, TCP_SYNCNT, 3 },
	{ SOL_SOCKET, SO_KEEPALIVE, 1 },
};

static atomic_int round_now, done;
static int fd, rounds;

static void *setter(void *which)
{
	int i = (int)(intptr_t)which;

	for (int round = 1; round <= rounds; round++) {
		while (atomic_load(&round_now) < round)
			sched_yield();
		must(setsockopt(fd, options[i].level, options[i].name, &options[i].value,
				sizeof options[i].value) == 0, "setsockopt");
		atomic_fetch_add(&done, 1);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	int lost = 0;

	rounds = argc > 1 ? atoi(argv[1]) : 1;
	for (int i = 0; i < THREADS; i++)
		must(pthread_create(&threads[i], NULL, setter, (void *)(intptr_t)i) == 0, "thread");
	for (int round = 1; round <= rounds && !enough(); round++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		atomic_store(&done, 0);
		atomic_store(&round_now, round);
		while (atomic_load(&done) < THREADS)
			sched_yield();
		for (int i = 0; i < THREADS; i++) {
			int value = 0;
			socklen_t size = sizeof value;

			must(getsockopt(fd, options[i].level, options[i].name, &value, &size) == 0,
			     "getsockopt");
			lost += value != options[i].value;
		}
		close(fd);
	}
	printf("%d lost\n", lost);
	return 0;
}
