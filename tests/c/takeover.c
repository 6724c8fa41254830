/*
 * takeover closefrom|only2: a server that puts its client's connection on descriptor 2 (as
 * vsftpd does), or closes every descriptor and then opens the connection under every number,
 * and calls socket() in between. Prints what the client received, which must be nothing; fails
 * when errno changes.
 */
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof address;
	struct rlimit limit;
	char received[4096];
	int everything, listener, client, served, moved, made;
	ssize_t got;

	must(argc == 2, "usage");
	everything = strcmp(argv[1], "closefrom") == 0;
	if (everything)
		for (int fd = 3; fd < 5000; fd++)
			close(fd);
	/* With nowhere to write to: the descriptor of the trace is closed. */
	errno = MARK;
	listener = socket(AF_INET, SOCK_STREAM, 0);
	must(errno == MARK, "a trace that cannot be written changed errno");
	client = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(listener, (struct sockaddr *)&address, size) == 0, "bind");
	must(listen(listener, 1) == 0, "listen");
	must(getsockname(listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
	must(connect(client, (struct sockaddr *)&address, size) == 0, "connect");
	served = accept(listener, NULL, NULL);
	must(served >= 0, "accept");

	must(dup2(served, 2) == 2, "dup2");
	if (everything) {
		/* Room above for the sockets that are made below. */
		must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
		moved = fcntl(client, F_DUPFD, (int)limit.rlim_cur - 3);
		must(moved >= 0, "F_DUPFD");
		for (int fd = 3; fd < (int)limit.rlim_cur - 16; fd++)
			must(dup2(served, fd) == fd, "dup2");
		client = moved;
	}
	for (int i = 0; i < 3; i++) {
		errno = MARK;
		made = socket(AF_INET, SOCK_STREAM, 0);
		must(errno == MARK, "a trace that is not written changed errno");
		must(protocol_of(made) > 0, "socket");
	}
	got = recv(client, received, sizeof received, MSG_DONTWAIT);
	printf("%.*s", got > 0 ? (int)got : 7, got > 0 ? received : "nothing");
	return 0;
}
