/*
 * signals PROTOCOL first|often: calls socket() in a signal handler.
 * first: the handler's call is the first of the program, while main() is inside malloc().
 * often: the handler interrupts main() in socket() and malloc(), thousands of times.
 * Prints "fine" when every call of both gave the protocol and left errno alone.
 */
#include "check.h"
#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t ran, bad;
static int wanted;

static void look(void)
{
	int before = errno, fd, after;

	errno = MARK;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	after = errno;
	if (fd < 0 || after != MARK || protocol_of(fd) != wanted)
		bad = 1;
	close(fd);
	errno = before;
}

static void handler(int number)
{
	(void)number;
	look();
	ran++;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct itimerval timer = { { 0, 100 }, { 0, 100 } };
	int first, enough;

	must(argc == 3, "usage");
	wanted = atoi(argv[1]);
	first = strcmp(argv[2], "first") == 0;
	enough = first ? 1 : 3000;
	must(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
	must(setitimer(ITIMER_REAL, &timer, NULL) == 0, "setitimer");
	while (ran < enough && !bad) {
		void *memory = malloc(3000);

		memset(memory, 1, 3000);
		free(memory);
		if (!first)
			look();
	}
	memset(&timer, 0, sizeof timer);
	must(setitimer(ITIMER_REAL, &timer, NULL) == 0, "setitimer");
	puts(bad ? "wrong" : "fine");
	return bad;
}
