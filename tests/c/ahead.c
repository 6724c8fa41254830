/*
 * A library to be preloaded: the clock of a program is AHEAD_S seconds ahead of this machine's, which
 * cannot be set for one program.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
	const char *ahead = getenv("AHEAD_S");
	long status = syscall(SYS_clock_gettime, clock, now);

	if (status == 0 && clock == CLOCK_REALTIME && ahead)
		now->tv_sec += atol(ahead);
	return (int)status;
}
