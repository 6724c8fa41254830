/*
 * forks PROTOCOL COUNT: forks again and again while other threads are inside socket() and
 * malloc(); each child calls socket() at once. Prints how many children got the protocol.
 * A lock that a thread held at the moment of the fork would hang the child: SIGALRM ends it then.
 */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static atomic_int done;

static void *churn(void *nothing)
{
	while (!done) {
		void *memory = malloc(1000);

		close(socket(AF_INET, SOCK_STREAM, 0));
		free(memory);
	}
	return nothing;
}

int main(int argc, char **argv)
{
	pthread_t threads[3];
	int wanted, count, good = 0;

	must(argc == 3, "usage");
	wanted = atoi(argv[1]);
	count = atoi(argv[2]);
	for (int i = 0; i < 3; i++)
		must(pthread_create(&threads[i], NULL, churn, NULL) == 0, "pthread_create");
	for (int i = 0; i < count; i++) {
		int status;
		pid_t child = fork();

		must(child >= 0, "fork");
		if (child == 0) {
			alarm(20);
			_exit(protocol_of(socket(AF_INET, SOCK_STREAM, 0)) != wanted);
		}
		must(waitpid(child, &status, 0) == child, "waitpid");
		good += status == 0;
	}
	done = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	printf("%d\n", good);
	return 0;
}
