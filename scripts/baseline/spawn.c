/* Times programs from spawn to exit, several variants in interleaved rounds.
 *
 *   spawn ROUNDS  NAME PRELOAD COMMAND  [NAME PRELOAD COMMAND]...
 *
 * PRELOAD is a library or "-", COMMAND is split at spaces and starts with a path. The first
 * variant is the base. Prints, for each, its name, its median and the median of its differences
 * to the base of the same round, in nanoseconds.
 *
 * Why so: on a machine that also does other things, a load that comes and goes is in both sides of
 * a difference taken within one round, and the order is shuffled in each round, so that no variant
 * always runs after the same other. posix_spawn(3) is a vfork: the cost of copying the driver's
 * memory is not in the figures.
 *
 * Not here: what is measured and what is a good figure; scripts/bench says that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MAX_VARIANTS = 16, MAX_WORDS = 16, MAX_ENV = 64 };

struct variant {
	const char *name;
	char *argv[MAX_WORDS + 1];
	char *envp[MAX_ENV + 2];
	int64_t *took; /* of each round */
};

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Children inherit it. The last CPU we may use: the first one mostly serves the interrupts. */
static void pin(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set))
		error(1, errno, "sched_getaffinity");
	int cpu = CPU_SETSIZE - 1;
	while (cpu > 0 && !CPU_ISSET(cpu, &set))
		cpu--;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set))
		error(1, errno, "cannot run on CPU %d only", cpu);
}

/* Throws a file out of the page cache, for the next run to read it as after a boot. A file that was
 * just written lies there in large pieces, which map faster than what is read on demand: without
 * this, what was built a moment ago looks better than what is installed. */
static void evict(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		error(1, errno, "%s", path);
	fsync(fd); /* only clean pages can go; a read-only file system has no others */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void prepare(struct variant *v, char **words, int rounds)
{
	int n = 0;
	v->name = words[0];
	for (char **e = environ; *e; e++) {
		if (!strncmp(*e, "LD_PRELOAD=", 11))
			continue;
		if (n == MAX_ENV)
			error(2, 0, "more than %d variables in the environment", MAX_ENV);
		v->envp[n++] = *e;
	}
	if (strcmp(words[1], "-") && asprintf(&v->envp[n], "LD_PRELOAD=%s", words[1]) < 0)
		error(1, errno, "asprintf");
	n = 0;
	for (char *word = strtok(words[2], " "); word; word = strtok(NULL, " ")) {
		if (n == MAX_WORDS)
			error(2, 0, "%s: more than %d words", v->name, MAX_WORDS);
		v->argv[n++] = word;
	}
	if (!n)
		error(2, 0, "%s: no command", v->name);
	evict(v->argv[0]);
	if (strcmp(words[1], "-"))
		evict(words[1]);
	v->took = calloc(rounds, sizeof *v->took);
	if (!v->took)
		error(1, errno, "calloc");
}

static int64_t run(struct variant *v)
{
	pid_t pid;
	int status;
	int64_t start = now_ns();
	int failed = posix_spawn(&pid, v->argv[0], NULL, NULL, v->argv, v->envp);
	if (failed)
		error(1, failed, "%s: cannot start %s", v->name, v->argv[0]);
	if (waitpid(pid, &status, 0) != pid)
		error(1, errno, "waitpid");
	int64_t took = now_ns() - start;
	if (status)
		error(1, 0, "%s: %s did not end well (wait status 0x%x)", v->name, v->argv[0],
		      (unsigned)status);
	return took;
}

/* The seed is fixed: every run measures in the same order. */
static uint32_t next_random(void)
{
	static uint32_t x = 2463534242u;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void shuffle(int *order, int n)
{
	for (int i = n - 1; i > 0; i--) {
		int j = next_random() % (i + 1), kept = order[i];
		order[i] = order[j];
		order[j] = kept;
	}
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int64_t median(int64_t *values, int n)
{
	qsort(values, n, sizeof *values, ascending);
	return values[n / 2];
}

int main(int argc, char **argv)
{
	static struct variant variants[MAX_VARIANTS];
	int count = (argc - 2) / 3, rounds = argc > 1 ? atoi(argv[1]) : 0, order[MAX_VARIANTS];

	if (rounds < 1 || count < 1 || count > MAX_VARIANTS || (argc - 2) % 3)
		error(2, 0, "usage: spawn ROUNDS NAME PRELOAD COMMAND [NAME PRELOAD COMMAND]...");
	pin();
	for (int i = 0; i < count; i++) {
		prepare(&variants[i], argv + 2 + 3 * i, rounds);
		order[i] = i;
		run(&variants[i]); /* files back into the page cache */
	}
	for (int round = 0; round < rounds; round++) {
		shuffle(order, count);
		for (int i = 0; i < count; i++)
			variants[order[i]].took[round] = run(&variants[order[i]]);
	}
	int64_t *over = calloc(rounds, sizeof *over);
	if (!over)
		error(1, errno, "calloc");
	/* The base last: its median sorts away the rounds that the others are compared with. */
	for (int i = count - 1; i >= 0; i--) {
		for (int round = 0; round < rounds; round++)
			over[round] = variants[i].took[round] - variants[0].took[round];
		int64_t over_base = median(over, rounds);
		printf("%s %lld %lld\n", variants[i].name,
		       (long long)median(variants[i].took, rounds), (long long)over_base);
	}
	return 0;
}
