/*
 * fuzz SEED COUNT FILE [HOOK AT]: COUNT calls of each function that the library stands in for,
 * with pointers, sizes, levels and descriptors of every sort, most of them wrong. Writes the
 * descriptor, result and errno of each to FILE, 12 bytes a call, in the order of the functions below. The same seed
 * makes the same calls, and so the same file natively and under the tool.
 * With HOOK and AT it prints the arguments of that one call as well.
 *
 * Whoever looks at what a pointer points to before the kernel has said that it may is killed here.
 */
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* Calls on the same descriptors, before new ones take their places. */
#define ROUND 64
#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
#define FIRST 10

enum { CONNECT, BIND, SENDTO, SENDMSG, SETSOCKOPT, GETSOCKOPT, IOCTL, FCNTL, EPOLL_CTL, LISTEN,
       DUP, DUP2, DUP3, SOCKET, HOOKS };
static const char *const names[] = { "connect", "bind", "sendto", "sendmsg", "setsockopt",
	"getsockopt", "ioctl", "fcntl", "epoll_ctl", "listen", "dup", "dup2", "dup3", "socket" };

static uint64_t state;
static char *good, *fixed, *none, *shorter;

static uint64_t any(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static unsigned below(unsigned limit)
{
	return (unsigned)(any() % limit);
}

#define ONE_OF(list) ((list)[below(sizeof(list) / sizeof *(list))])

/* Memory that this process has, its end in the middle of what is written, or none. */
static void *somewhere(char **place, size_t size)
{
	static const uint64_t wild[] = { 1, 8, 4095, -1, -4096, 0xffff800000000000, 0x8000000000000000,
		0x7fffffffffff, 0x7ffffffff000, 0xffffffffff600000 };
	size_t at = 64 * below(16);

	*place = NULL;
	switch (below(10)) {
	case 0: return NULL;
	case 1: return (void *)ONE_OF(wild);
	case 2: return none + below(PAGE);
	case 3: return fixed + at;
	case 4: return shorter + PAGE - below(8);
	case 5: return (void *)(any() >> below(64));
	case 6:
		at = size ? below(size + 8) : below(64);
		*place = good + 2 * PAGE - at;
		memset(*place, 0, at);
		return *place;
	default:
		*place = good + at;
		return *place;
	}
}

/* How much of it may be written. */
static void put(char *place, const void *from, size_t size)
{
	size_t room;

	if (!place)
		return;
	room = (size_t)(good + 2 * PAGE - place);
	memcpy(place, from, size < room ? size : room);
}

static int size_of(int real)
{
	static const int sizes[] = { 0, 1, 2, 3, 4, 8, 15, 16, 17, 27, 28, 29, 110, 127, 128, 129, 4096,
		INT32_MAX, INT32_MIN, -1 };

	return below(3) ? real : ONE_OF(sizes);
}

/* Where nobody listens. */
static void *address(int *size)
{
	static const uint16_t families[] = { AF_INET, AF_INET6, AF_UNSPEC, AF_UNIX, 0xffff };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(1) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(1) };
	char *place;
	void *result = somewhere(&place, 28);

	v4.sin_addr.s_addr = htonl(below(4) ? INADDR_LOOPBACK : 0xf0000001);
	v6.sin6_addr = in6addr_loopback;
	if (below(2)) {
		if (below(8) == 0)
			v4.sin_family = ONE_OF(families);
		put(place, &v4, sizeof v4);
		*size = size_of(sizeof v4);
	} else {
		if (below(8) == 0)
			v6.sin6_family = ONE_OF(families);
		put(place, &v6, sizeof v6);
		*size = size_of(sizeof v6);
	}
	return result;
}

static int at(int fd, int wanted)
{
	must(fd >= 0, "a descriptor");
	if (fd != wanted) {
		must(dup2(fd, wanted) == wanted, "dup2");
		close(fd);
	}
	return wanted;
}

/* The descriptors, always under the same numbers. */
enum { FRESH4 = FIRST, FRESH6, BOUND, LISTENS, CLIENT, ACCEPTED, UDP, PAIR, OTHER, READS, WRITES,
       EPOLL, PLAIN, END };

static void renew(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	socklen_t size = sizeof here;
	int two[2], listens, client;

	for (int fd = 3; fd < 64; fd++)
		close(fd);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listens = socket(AF_INET, SOCK_STREAM, 0);
	must(bind(listens, (void *)&here, size) == 0 && listen(listens, 5) == 0, "listen");
	must(getsockname(listens, (void *)&here, &size) == 0, "getsockname");
	at(listens, LISTENS);
	client = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(client, (void *)&here, size) == 0, "connect");
	at(client, CLIENT);
	at(accept(LISTENS, NULL, NULL), ACCEPTED);
	/* Not by dup2, which makes it one that others have too: these may become TCP. */
	must(open("/dev/null", O_RDWR) == 3, "the lowest number");
	for (int fd = 4; fd < FIRST; fd++)
		must(dup(3) == fd, "the next");
	must(socket(AF_INET, SOCK_STREAM, 0) == FRESH4, "socket");
	must(socket(AF_INET6, SOCK_STREAM, 0) == FRESH6, "socket");
	must(socket(AF_INET, SOCK_STREAM, 0) == BOUND, "socket");
	here.sin_port = 0;
	must(bind(BOUND, (void *)&here, sizeof here) == 0, "bind");
	at(socket(AF_INET, SOCK_DGRAM, 0), UDP);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, two) == 0, "socketpair");
	at(two[0], PAIR);
	at(two[1], OTHER);
	must(pipe(two) == 0, "pipe");
	at(two[0], READS);
	at(two[1], WRITES);
	at(epoll_create1(0), EPOLL);
	must(dup2(3, PLAIN) == PLAIN, "dup2");
	for (int fd = FIRST; fd < END; fd++)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	for (int fd = 3; fd < FIRST; fd++)
		close(fd);
}

static int descriptor(void)
{
	static const int wrong[] = { -1, INT32_MIN, INT32_MAX, 65535, 65536, 63, 100000 };

	return below(12) ? FIRST + (int)below(END - FIRST) : ONE_OF(wrong);
}

static void *message(void)
{
	static const size_t counts[] = { 0, 1, 1, 1, 2, 1025, SIZE_MAX };
	static const size_t lengths[] = { 0, 0, 16, 20, 24, 40, 64, 4096, SIZE_MAX };
	static const size_t parts[] = { 0, 15, 16, 17, 20, 24, 4096, SIZE_MAX };
	static const int types[] = { SCM_RIGHTS, SCM_RIGHTS, SCM_RIGHTS, SCM_CREDENTIALS, 77 };
	struct msghdr header = { 0 };
	struct iovec part = { 0 };
	struct {
		struct cmsghdr head;
		int fds[4];
	} control[2] = { 0 };
	char *place;
	int size = 0;
	void *result;

	part.iov_base = somewhere(&place, 16);
	part.iov_len = below(4) ? below(16) : 0;
	header.msg_iov = somewhere(&place, sizeof part);
	put(place, &part, sizeof part);
	header.msg_iovlen = ONE_OF(counts);
	if (below(2))
		header.msg_name = address(&size);
	header.msg_namelen = (socklen_t)size;
	for (int i = 0; i < 2; i++) {
		control[i].head.cmsg_len = ONE_OF(parts);
		control[i].head.cmsg_level = below(4) ? SOL_SOCKET : (int)any();
		control[i].head.cmsg_type = ONE_OF(types);
		for (int n = 0; n < 4; n++)
			control[i].fds[n] = descriptor();
	}
	header.msg_control = somewhere(&place, sizeof control);
	put(place, control, sizeof control);
	header.msg_controllen = ONE_OF(lengths);
	result = somewhere(&place, sizeof header);
	put(place, &header, sizeof header);
	return result;
}

static const int levels[] = { SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6, 41000, 255, -1 };
static int wanted, used;

#define MADE(...) do { if (wanted) { fprintf(stderr, "%s(", names[hook]); \
	fprintf(stderr, __VA_ARGS__); fprintf(stderr, ")\n"); } } while (0)

static long call(int hook)
{
	static const int messages[] = { 0, 0, MSG_FASTOPEN, MSG_DONTWAIT, MSG_FASTOPEN | MSG_MORE };
	static const unsigned long requests[] = { FIONREAD, FIONREAD, 0xffffffff0000541b, 0x8905, 0x8905,
		0x8904, 0x12345678 };
	static const int commands[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, 16, F_GETLK, 777, -1 };
	static const int targets[] = { -1, INT32_MAX, INT32_MIN, 70, 71, 72, 1 << 30 };
	static const int domains[] = { AF_INET, AF_INET6, AF_INET, AF_UNIX, -1, 77 };
	static const int kinds[] = { SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_STREAM | SOCK_CLOEXEC,
		SOCK_STREAM | 0x1000, -1, 0 };
	static const int protocols[] = { 0, 6, 6, 17, 262, 300, -1, INT32_MIN };
	int fd = descriptor(), level, name, size = 0, to;
	char *place, *there;
	socklen_t length;
	void *pointer, *lengths;
	unsigned long request;

	used = fd;
	/* Nothing of what the call before was told. */
	memset(good, 0, 2 * PAGE);
	for (char *byte = good; byte < good + 2 * PAGE; byte += 64)
		*(uint64_t *)byte = below(2) ? below(3) : any();
	switch (hook) {
	case CONNECT:
		pointer = address(&size);
		MADE("%d, %p, %d", fd, pointer, size);
		return connect(fd, pointer, (socklen_t)size);
	case BIND:
		pointer = address(&size);
		MADE("%d, %p, %d", fd, pointer, size);
		return bind(fd, pointer, (socklen_t)size);
	case SENDTO:
		pointer = address(&size);
		lengths = somewhere(&there, 16);
		length = there ? below(16) : ONE_OF(((socklen_t[]){ 0, 1, 4096 }));
		level = ONE_OF(messages);
		MADE("%d, %p, %u, %x, %p, %d", fd, lengths, length, level, pointer, size);
		return sendto(fd, lengths, length, level, pointer, (socklen_t)size);
	case SENDMSG:
		pointer = message();
		level = ONE_OF(messages);
		MADE("%d, %p, %x", fd, pointer, level);
		return sendmsg(fd, pointer, level);
	case SETSOCKOPT:
	case GETSOCKOPT:
		level = ONE_OF(levels);
		name = below(8) ? (int)below(80) : (int)any();
		pointer = somewhere(&place, 4);
		if (hook == SETSOCKOPT) {
			size = size_of(4);
			MADE("%d, %d, %d, %p, %d", fd, level, name, pointer, size);
			return setsockopt(fd, level, name, pointer, (socklen_t)size);
		}
		length = (socklen_t)size_of(4);
		lengths = somewhere(&there, 4);
		/* Not in the value itself: then a call changes its own arguments. */
		if (there && place && labs(there - place) < 256)
			there = lengths = good;
		if (there == good && place && place - good < 256)
			pointer = NULL;
		put(there, &length, sizeof length);
		MADE("%d, %d, %d, %p, %p (%d)", fd, level, name, pointer, lengths, (int)length);
		return getsockopt(fd, level, name, pointer, lengths);
	case IOCTL:
		request = ONE_OF(requests);
		pointer = somewhere(&place, 4);
		MADE("%d, %lx, %p", fd, request, pointer);
		return ioctl(fd, request, pointer);
	case FCNTL:
		level = ONE_OF(commands);
		pointer = level == F_DUPFD || level == F_DUPFD_CLOEXEC
			? (void *)(intptr_t)ONE_OF(targets) : somewhere(&place, 32);
		MADE("%d, %d, %p", fd, level, pointer);
		return fcntl(fd, level, pointer);
	case EPOLL_CTL:
		level = below(2) ? EPOLL_CTL_ADD : (int)below(5);
		pointer = somewhere(&place, 12);
		to = below(3) ? EPOLL : descriptor();
		MADE("%d, %d, %d, %p", to, level, fd, pointer);
		return epoll_ctl(to, level, fd, pointer);
	case LISTEN:
		return listen(fd, (int)any());
	case DUP:
		return dup(fd);
	case DUP2:
	case DUP3:
		to = below(4) ? ONE_OF(targets) : fd;
		level = below(4) ? O_CLOEXEC * (int)below(2) : (int)any();
		MADE("%d, %d, %x", fd, to, level);
		return hook == DUP2 ? dup2(fd, to) : dup3(fd, to, level);
	default:
		level = ONE_OF(domains);
		name = ONE_OF(kinds);
		to = ONE_OF(protocols);
		MADE("%d, %d, %d", level, name, to);
		return socket(level, name, to);
	}
}

int main(int argc, char **argv)
{
	struct { int32_t fd, result, error; } *results;
	uint64_t seed;
	int count, file;

	must(argc == 4 || argc == 6, "usage");
	seed = strtoull(argv[1], NULL, 0);
	count = atoi(argv[2]);
	signal(SIGPIPE, SIG_IGN);
	results = calloc((size_t)count * HOOKS, sizeof *results);
	good = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fixed = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	file = open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0600);
	must(file >= 0 && ftruncate(file, PAGE) == 0, argv[3]);
	/* A page, and one behind the end of the file: whoever touches it gets SIGBUS. */
	shorter = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	must(good != MAP_FAILED && shorter != MAP_FAILED && results, "memory");
	must(mprotect(good + 2 * PAGE, PAGE, PROT_NONE) == 0, "mprotect");
	must(ftruncate(file, 0) == 0, "ftruncate");
	must(dup2(file, 80) == 80, "dup2");

	for (int hook = 0, at = 0; hook < HOOKS; hook++) {
		for (int i = 0; i < count; i++, at++) {
			long result;

			if (i % ROUND == 0) {
				state = seed;
				renew();
			}
			state = seed ^ ((uint64_t)hook << 32) ^ ((uint64_t)i * 0xd1342543de82ef95);
			wanted = argc == 6 && atoi(argv[4]) == hook && atoi(argv[5]) == i;
			errno = MARK;
			result = call(hook);
			results[at].fd = used;
			results[at].result = (int32_t)result;
			results[at].error = errno;
			if (wanted)
				fprintf(stderr, "= %ld, errno %d\n", result, errno);
			if (result > 2 && (hook == DUP || hook == DUP2 || hook == DUP3 || hook == SOCKET ||
			    hook == FCNTL) && (result < FIRST || result >= END))
				close((int)result);
		}
	}
	must(write(80, results, (size_t)count * HOOKS * sizeof *results) > 0, "write");
	return 0;
}
