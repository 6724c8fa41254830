/*
 * storm THREADS COUNT MODE: each thread makes COUNT TCP sockets (0: until SIGTERM) and looks at
 * each. Prints how many
 * were MPTCP, how many TCP, how often each errno came, how many had the number of a standard
 * descriptor, and how many were left over at the end.
 *
 * MODE calm: nothing else. MODE restart and interrupt: meanwhile the main thread sends signals to
 * the others, one after the other, each as soon as the one before was handled; their handler is
 * installed with SA_RESTART, or without.
 */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define MOST 1000

static atomic_int mptcp, tcp, low, signals, finished, failed[200];
static volatile sig_atomic_t stop;
static int count, storm;

static void end(int number)
{
	(void)number;
	stop = 1;
}

static void handler(int number)
{
	(void)number;
	signals++;
}

static void *work(void *nothing)
{
	/* Not before the storm has begun. */
	while (storm && !signals)
		sched_yield();
	for (int i = 0; count ? i < count : !stop; i++) {
		int flags = i % 3 ? SOCK_CLOEXEC : 0;
		int fd = socket(i % 2 ? AF_INET : AF_INET6, SOCK_STREAM | flags, 0);

		if (fd < 0) {
			failed[errno % 200]++;
			continue;
		}
		low += fd < 3;
		mptcp += protocol_of(fd) == 262;
		tcp += protocol_of(fd) == 6;
		close(fd);
	}
	finished++;
	return nothing;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler };
	pthread_t threads[MOST];
	int most, left = 0;

	must(argc == 4, "usage");
	most = atoi(argv[1]);
	count = atoi(argv[2]);
	must(most <= MOST, "threads");
	storm = strcmp(argv[3], "calm") != 0;
	action.sa_flags = strcmp(argv[3], "restart") == 0 ? SA_RESTART : 0;
	must(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
	action.sa_handler = end;
	action.sa_flags = SA_RESTART;
	must(sigaction(SIGTERM, &action, NULL) == 0, "sigaction");
	for (int i = 0; i < most; i++)
		must(pthread_create(&threads[i], NULL, work, NULL) == 0, "pthread_create");
	for (unsigned i = 1; storm && finished < most; i++) {
		int before = signals;

		pthread_kill(threads[(i * 7919) % (unsigned)most], SIGUSR1);
		while (signals == before && finished < most)
			sched_yield();
	}
	for (int i = 0; i < most; i++)
		pthread_join(threads[i], NULL);
	for (int fd = 3; fd < 3000; fd++)
		left += protocol_of(fd) > 0;
	printf("mptcp %d tcp %d low %d left %d", mptcp, tcp, low, left);
	for (int number = 0; number < 200; number++)
		if (failed[number])
			printf(" %s %d", strerrorname_np(number), failed[number]);
	printf("\n");
	return 0;
}
