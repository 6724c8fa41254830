/*
 * with OPTIONS -- PROGRAM NAME ARGS…: puts this process into an unusual state and executes the
 * program (looked up in PATH), with NAME as its argv[0]. Signals begin at their defaults,
 * whatever the test runner had.
 *
 *   -c FD   close            -o FD   open /dev/null there, to be inherited
 *   -i SIG  ignore           -I      ignore every signal that can be
 *   -d SIG  default          -b SIG  block
 *   -p SIG  block and make pending
 *   -e TEXT add an entry to the environment, whatever it looks like; -E empties it first
 */
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

extern char **environ;

/* Not signal(3): that keeps libc's own two, 32 and 33, from us. */
static void dispose(int number, void (*how)(int))
{
	struct {
		void (*handler)(int);
		unsigned long rest[8];
	} action = { how, { 0 } };

	syscall(SYS_rt_sigaction, number, &action, NULL, 8);
}

static void block(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "sigprocmask");
}

static void open_at(int fd)
{
	int null = open("/dev/null", O_RDWR);

	must(null >= 0, "/dev/null");
	if (null != fd) {
		must(dup2(null, fd) == fd, "dup2");
		close(null);
	}
}

int main(int argc, char **argv)
{
	static char *entries[1000];
	size_t used = 0;
	int at = 1;

	for (char **entry = environ; *entry && used < 900; entry++)
		entries[used++] = *entry;
	for (int number = 1; number <= 64; number++)
		dispose(number, SIG_DFL);
	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		char option = argv[at][1];

		if (option == 'E') {
			used = 0;
		} else if (option == 'I') {
			for (int number = 1; number <= 64; number++)
				dispose(number, SIG_IGN);
		} else {
			char *value = argv[++at];

			must(at < argc, "an option wants a value");
			switch (option) {
			case 'c': close(atoi(value)); break;
			case 'o': open_at(atoi(value)); break;
			case 'i': dispose(atoi(value), SIG_IGN); break;
			case 'd': dispose(atoi(value), SIG_DFL); break;
			case 'b': block(atoi(value)); break;
			case 'p': block(atoi(value)); raise(atoi(value)); break;
			case 'e': entries[used++] = value; break;
			default: must(0, "an unknown option");
			}
		}
	}
	must(at + 2 < argc, "usage");
	entries[used] = NULL;
	environ = entries;
	execvpe(argv[at + 1], argv + at + 2, entries);
	must(0, argv[at + 1]);
}
