/* Counts the user instructions of one socket() call with ptrace(2), one single step at a time.
 *
 *   steps [LIBRARY]      LIBRARY is preloaded into the counted program
 *
 * Counted is what runs from the first instruction of the called function to its return, libc's own
 * part included; the system call is one instruction. The counted program stops itself before each
 * of: an empty function, socket(AF_INET, SOCK_STREAM, 0), and both again. The way from stop to stop
 * is the same but for the function, so the difference is the call, exactly, on every architecture
 * that can be stepped, and without performance counters, which virtual machines often lack.
 *
 * Earlier calls have been made by then: what a library does at its first call only is not counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <netinet/in.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

typedef int call(int, int, int);

/* One instruction whatever the compiler's options; the mnemonic is the same for all of ours. */
call empty;
__asm__(".text\n.globl empty\n.type empty, %function\nempty:\n\tret\n");
enum { EMPTY_INSTRUCTIONS = 1, MAX_STEPS = 1000000 };

__attribute__((noipa)) static int stop_and_call(call *function)
{
	raise(SIGSTOP);
	return function(AF_INET, SOCK_STREAM, 0);
}

static int counted(int upgraded)
{
	/* The last one only stops: what it calls is not counted, its way out differs. */
	call *volatile functions[] = { empty, socket, empty, socket, empty };
	int protocol = 0, fd;
	socklen_t size = sizeof protocol;

	for (int i = 0; i < 3; i++)
		close(socket(AF_INET, SOCK_STREAM, 0));
	for (int i = 0; i < 5; i++)
		stop_and_call(functions[i]);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size))
		error(1, errno, "SO_PROTOCOL");
	return protocol == (upgraded ? IPPROTO_MPTCP : IPPROTO_TCP) ? 0 : 1;
}

static int wait_for_stop(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) != pid)
		error(1, errno, "waitpid");
	if (!WIFSTOPPED(status))
		error(1, 0, "the counted program ended early (wait status 0x%x)", (unsigned)status);
	return WSTOPSIG(status);
}

static void resume(pid_t pid, int how)
{
	if (ptrace(how, pid, NULL, NULL))
		error(1, errno, "ptrace");
}

static void go_to_stop(pid_t pid)
{
	do
		resume(pid, PTRACE_CONT);
	while (wait_for_stop(pid) != SIGSTOP);
}

static long steps_to_stop(pid_t pid)
{
	for (long steps = 0; steps < MAX_STEPS; steps++) {
		resume(pid, PTRACE_SINGLESTEP);
		if (wait_for_stop(pid) == SIGSTOP)
			return steps;
	}
	error(1, 0, "no stop within %d steps", MAX_STEPS);
	return 0;
}

int main(int argc, char **argv)
{
	long steps[4];
	int status;

	if (argc == 3 && !strcmp(argv[1], "--counted"))
		return counted(atoi(argv[2]));
	if (argc > 2)
		error(2, 0, "usage: steps [LIBRARY]");

	pid_t pid = fork();
	if (pid < 0)
		error(1, errno, "fork");
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			error(1, errno, "ptrace");
		if (argc == 2 ? setenv("LD_PRELOAD", argv[1], 1) : unsetenv("LD_PRELOAD"))
			error(1, errno, "LD_PRELOAD");
		execl("/proc/self/exe", argv[0], "--counted", argc == 2 ? "1" : "0", NULL);
		error(1, errno, "exec");
	}
	if (wait_for_stop(pid) != SIGTRAP)
		error(1, 0, "the counted program did not start");
	go_to_stop(pid);
	for (int i = 0; i < 4; i++)
		steps[i] = steps_to_stop(pid);
	resume(pid, PTRACE_CONT);
	if (waitpid(pid, &status, 0) != pid || status)
		error(1, 0, "%s: not the protocol that was expected", argc == 2 ? argv[1] : "libc");
	if (steps[0] != steps[2] || steps[1] != steps[3])
		error(1, 0, "not repeatable: %ld, %ld empty; %ld, %ld with the call", steps[0],
		      steps[2], steps[1], steps[3]);
	printf("%ld\n", steps[1] - steps[0] + EMPTY_INSTRUCTIONS);
	return 0;
}
