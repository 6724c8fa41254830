/*
 * stuck COUNT FILE COMMAND...: makes of FILE one that is never delivered (a file system of its own,
 * fuse(4)), has COUNT processes make calls that need it, and runs the command once the first page of it
 * is wanted. Ends as the command does. The calls: a socket with arguments that lie in it (socketcall, for
 * 32 bits); else an option with a value that lies in it, and, by each second one, an option of a socket
 * that is held meanwhile by who sends the page.
 */
#include "check.h"
#include <fcntl.h>
#include <linux/fuse.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static void reply(int fuse, uint64_t to, int error, void *what, size_t size)
{
	struct fuse_out_header head = { sizeof head + size, error, to };
	struct iovec parts[] = { { &head, sizeof head }, { what, size } };

	writev(fuse, parts, size ? 2 : 1);
}

/* A file system of one file, which may be opened and never read. */
static void serve(int fuse, int wanted)
{
	static union {
		struct fuse_in_header head;
		char room[1 << 18];
	} request;
	struct fuse_attr attributes = { .ino = 1, .size = 4096, .blocks = 8, .mode = S_IFREG | 0644,
		.nlink = 1, .blksize = 4096 };
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 };
	struct fuse_attr_out attr = { .attr_valid = 1000, .attr = attributes };
	struct fuse_open_out open = { .fh = 1 };

	while (read(fuse, &request, sizeof request) > 0) {
		switch (request.head.opcode) {
		case FUSE_INIT: reply(fuse, request.head.unique, 0, &init, sizeof init); break;
		case FUSE_GETATTR: reply(fuse, request.head.unique, 0, &attr, sizeof attr); break;
		case FUSE_OPEN: reply(fuse, request.head.unique, 0, &open, sizeof open); break;
		case FUSE_READ: must(write(wanted, "r", 1) == 1, "the pipe"); break;
		case FUSE_FORGET:
		case FUSE_INTERRUPT: break;
		default: reply(fuse, request.head.unique, -ENOSYS, NULL, 0);
		}
	}
	_exit(0);
}

#ifdef SYS_socketcall
static void attack(int number, void *page)
{
	(void)number;
	syscall(SYS_socketcall, 1, page);
}
#else
static void attack(int number, void *page)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof address;
	int listener, fd = socket(AF_INET, SOCK_STREAM, 0), time = 5000;

	if (number % 2 == 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, page, sizeof time);
		return;
	}
	listener = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0, "listen");
	must(getsockname(listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
	must(connect(fd, (struct sockaddr *)&address, size) == 0, "connect");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		send(fd, page, 4096, 0);
		_exit(0);
	}
	for (;;)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &time, sizeof time);
}
#endif

int main(int argc, char **argv)
{
	int fuse, two[2], file, status, count;
	pid_t server, command, *attackers;
	struct stat found;
	char options[100], byte;
	void *page;

	must(argc > 3, "usage");
	count = atoi(argv[1]);
	attackers = calloc((size_t)count, sizeof *attackers);
	must(unshare(CLONE_NEWNS) == 0, "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	must(fuse >= 0 && pipe(two) == 0, "/dev/fuse");
	snprintf(options, sizeof options, "fd=%d,rootmode=100000,user_id=0,group_id=0", fuse);
	must(mount("stuck", argv[2], "fuse", MS_NOSUID | MS_NODEV, options) == 0, "mount");
	server = fork();
	if (server == 0)
		serve(fuse, two[1]);
	close(fuse);
	close(two[1]);
	file = open(argv[2], O_RDONLY | O_CLOEXEC);
	/* So that the kernel learns its size. */
	must(fstat(file, &found) == 0, "fstat");
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	must(file >= 0 && page != MAP_FAILED, "mmap");
	for (int i = 0; i < count; i++) {
		attackers[i] = fork();
		if (attackers[i] == 0) {
			attack(i, page);
			_exit(0);
		}
	}
	must(read(two[0], &byte, 1) == 1, "a page is wanted");
	command = fork();
	if (command == 0) {
		execvp(argv[3], argv + 3);
		must(0, argv[3]);
	}
	must(waitpid(command, &status, 0) == command, "waitpid");
	for (int i = 0; i < count; i++)
		kill(attackers[i], SIGKILL);
	kill(server, SIGKILL);
	while (wait(NULL) > 0)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
