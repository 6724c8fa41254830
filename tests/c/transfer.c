/*
 * transfer: a server and a client in one program, over the loopback interface, 1 MB there and
 * back. Prints the protocols of the listener, the accepted socket and the client.
 */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

#define SIZE (1 << 20)

static struct sockaddr_in address;

static void *client(void *protocol)
{
	static unsigned char sent[SIZE], received[SIZE];
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	size_t done = 0;

	for (size_t i = 0; i < SIZE; i++)
		sent[i] = (unsigned char)(i * 7 + i / 251);
	must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
	for (size_t at = 0; at < SIZE;) {
		ssize_t size = write(fd, sent + at, SIZE - at);

		must(size > 0, "client write");
		at += (size_t)size;
	}
	must(shutdown(fd, SHUT_WR) == 0, "shutdown");
	for (;;) {
		ssize_t size = read(fd, received + done, SIZE - done);

		must(size >= 0, "client read");
		if (size == 0)
			break;
		done += (size_t)size;
	}
	must(done == SIZE && memcmp(sent, received, SIZE) == 0, "what came back differs");
	*(int *)protocol = protocol_of(fd);
	close(fd);
	return NULL;
}

int main(void)
{
	static unsigned char buffer[SIZE];
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd, client_protocol = -1;
	socklen_t size = sizeof address;
	size_t got = 0;
	pthread_t thread;

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
	must(listen(listener, 1) == 0, "listen");
	must(getsockname(listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
	must(pthread_create(&thread, NULL, client, &client_protocol) == 0, "pthread_create");
	fd = accept(listener, NULL, NULL);
	must(fd >= 0, "accept");
	while (got < SIZE) {
		ssize_t some = read(fd, buffer + got, SIZE - got);

		must(some > 0, "server read");
		got += (size_t)some;
	}
	for (size_t at = 0; at < SIZE;) {
		ssize_t some = write(fd, buffer + at, SIZE - at);

		must(some > 0, "server write");
		at += (size_t)some;
	}
	printf("listener %d accepted %d", protocol_of(listener), protocol_of(fd));
	close(fd);
	pthread_join(thread, NULL);
	printf(" client %d\n", client_protocol);
	return 0;
}
