/*
 * parent …: runs the shell's line in $LINE as a child, whatever its own arguments are, and ends after it.
 * By another name it passes for a program that has such arguments.
 */
#include "check.h"
#include <sys/wait.h>

int main(void)
{
	pid_t child = fork();

	must(child >= 0, "fork");
	if (child == 0) {
		execl("/bin/bash", "bash", "-euc", getenv("LINE"), (char *)NULL);
		_exit(127);
	}
	must(waitpid(child, NULL, 0) == child, "waitpid");
	return 0;
}
