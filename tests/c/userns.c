/*
 * userns UID COMMAND…: runs the command as root of a user namespace that has the ordinary user UID
 * as its only user: everybody else, the host's root included, is the same nobody there.
 * To be called by root, who may do so wherever an ordinary user may not.
 */
#include "check.h"
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/wait.h>

static void map(pid_t child, const char *file, const char *id)
{
	char path[60], text[60];
	int fd, size = snprintf(text, sizeof text, "0 %s 1\n", id);

	snprintf(path, sizeof path, "/proc/%d/%s", child, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	must(fd >= 0 && write(fd, text, (size_t)size) == size, path);
	close(fd);
}

int main(int argc, char **argv)
{
	int ready[2], mapped[2], status;
	char byte = 0;
	pid_t child;

	must(argc > 2, "usage");
	must(setgroups(0, NULL) == 0, "setgroups");
	must(pipe2(ready, O_CLOEXEC) == 0 && pipe2(mapped, O_CLOEXEC) == 0, "pipe2");
	child = fork();
	must(child >= 0, "fork");
	if (child == 0) {
		must(unshare(CLONE_NEWUSER) == 0, "unshare");
		must(write(ready[1], &byte, 1) == 1, "write");
		must(read(mapped[0], &byte, 1) == 1, "read");
		must(setgid(0) == 0 && setuid(0) == 0, "setuid");
		execvp(argv[2], argv + 2);
		must(0, argv[2]);
	}
	must(read(ready[0], &byte, 1) == 1, "read");
	map(child, "uid_map", argv[1]);
	map(child, "gid_map", argv[1]);
	must(write(mapped[1], &byte, 1) == 1, "write");
	must(waitpid(child, &status, 0) == child, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}
