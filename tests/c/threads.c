/*
 * threads PROTOCOL THREADS COUNT: each thread makes COUNT sockets; prints how many had the
 * protocol, with errno left as it was.
 */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

static atomic_int good;
static int wanted, count;

static void *work(void *nothing)
{
	for (int i = 0; i < count; i++) {
		int fd, after;

		errno = MARK;
		fd = socket(i % 2 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
		after = errno;
		if (fd >= 0 && after == MARK && protocol_of(fd) == wanted)
			good++;
		close(fd);
	}
	return nothing;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int most;

	must(argc == 4, "usage");
	wanted = atoi(argv[1]);
	most = atoi(argv[2]);
	count = atoi(argv[3]);
	for (int i = 0; i < most; i++)
		must(pthread_create(&threads[i], NULL, work, NULL) == 0, "pthread_create");
	for (int i = 0; i < most; i++)
		pthread_join(threads[i], NULL);
	printf("%d\n", good);
	return 0;
}
