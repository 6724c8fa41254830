/*
 * state FILE …: writes what this process inherited to FILE: id, arguments, descriptors, signals,
 * limits, directory, environment, in the order in which it stands. Compared natively and
 * under the tool.
 */
#include "check.h"
#include <fcntl.h>
#include <sys/resource.h>

extern char **environ;

#define MOST 4096

static char descriptors[1 << 16];
static size_t used;

/* Before any file is opened here, which would take a number. */
static void list_descriptors(void)
{
	for (int fd = 0; fd < MOST; fd++) {
		char name[40], target[200];
		int flags = fcntl(fd, F_GETFD);
		ssize_t size;

		if (flags < 0)
			continue;
		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		size = readlink(name, target, sizeof target - 1);
		target[size > 0 ? size : 0] = 0;
		/* pipe:[4711] is another pipe in each run. */
		target[strcspn(target, "[")] = 0;
		used += (size_t)snprintf(descriptors + used, sizeof descriptors - used,
					 "fd %d cloexec %d flags %o %s\n", fd, flags,
					 fcntl(fd, F_GETFL), target);
	}
}

static void copy(FILE *to, const char *from, const char *only)
{
	char line[1000];
	FILE *file = fopen(from, "r");

	must(file != NULL, from);
	while (fgets(line, sizeof line, file)) {
		size_t name = strcspn(line, ":");
		char key[40];

		snprintf(key, sizeof key, " %.*s ", (int)name, line);
		if (!only || strstr(only, key))
			fputs(line, to);
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	char directory[4096];
	FILE *to;

	list_descriptors();
	must(argc > 1, "usage");
	to = fopen(argv[1], "w");
	must(to != NULL, argv[1]);
	fprintf(to, "pid %d\n", getpid());
	fprintf(to, "parent %d session %d leader of its group %d\n", getppid(), getsid(0),
		getpgrp() == getpid());
	for (int i = 0; i < argc; i++)
		fprintf(to, "argument %s\n", argv[i]);
	fputs(descriptors, to);
	copy(to, "/proc/self/status",
	     " Name Umask State Uid Gid Groups SigPnd ShdPnd SigBlk SigIgn SigCgt CapInh CapPrm"
	     " CapEff CapBnd CapAmb NoNewPrivs Seccomp Threads Cpus_allowed ");
	copy(to, "/proc/self/limits", NULL);
	fprintf(to, "directory %s\n", getcwd(directory, sizeof directory) ? directory : "?");
	fprintf(to, "nice %d\n", getpriority(PRIO_PROCESS, 0));
	for (char **entry = environ; *entry; entry++)
		fprintf(to, "environment %s\n", *entry);
	return fclose(to) != 0;
}
