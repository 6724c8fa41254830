/*
 * bgpd: a listener with an MD5 signature for a peer, set after listen() as BGP daemons do, and a
 * connection that carries it (RFC 2385). Prints what the listener is, and how it went.
 */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static void sign(int fd, const struct sockaddr_in *peer)
{
	struct tcp_md5sig key = { .tcpm_keylen = 6 };

	memcpy(&key.tcpm_addr, peer, sizeof *peer);
	memcpy(key.tcpm_key, "secret", 6);
	if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key) != 0) {
		printf("no MD5: %s\n", strerror(errno));
		exit(1);
	}
}

int main(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	socklen_t size = sizeof here;
	int listener = socket(AF_INET, SOCK_STREAM, 0), client, server;
	char byte = 'x';

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(listener, (struct sockaddr *)&here, sizeof here) == 0, "bind");
	must(listen(listener, 1) == 0, "listen");
	must(getsockname(listener, (struct sockaddr *)&here, &size) == 0, "getsockname");
	printf("%d\n", protocol_of(listener));
	fflush(stdout);
	sign(listener, &here);
	client = socket(AF_INET, SOCK_STREAM, 0);
	sign(client, &here);
	must(connect(client, (struct sockaddr *)&here, sizeof here) == 0, "connect");
	server = accept(listener, NULL, NULL);
	must(server >= 0, "accept");
	must(write(client, &byte, 1) == 1 && read(server, &byte, 1) == 1, "a byte");
	printf("signed\n");
	return 0;
}
