/* A wire with delay and loss between two network namespaces: a TUN device in each, and this program
 * between them. Many kernels have no netem.
 *
 * Usage: delay NAMESPACE DEVICE NAMESPACE DEVICE MILLISECONDS ADDRESS PERCENT
 *
 * Each packet waits so long; of those that come from ADDRESS (IPv4) so many of a hundred are lost, at
 * random from a fixed seed. It prints "ready" once both devices are there, which go with it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* More than 100 Mbit/s put on a way of 50 ms; what comes beyond is lost, as on any wire. */
#define ROOM 4096
#define LARGEST 2048

struct packet {
	uint64_t due;
	int length;
	unsigned char bytes[LARGEST];
};

static struct wire {
	struct packet packets[ROOM];
	unsigned first, last;
} wires[2];

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int device(const char *namespace, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int where = open(namespace, O_RDONLY | O_CLOEXEC), end;

	if (where < 0 || setns(where, CLONE_NEWNET))
		err(1, "%s", namespace);
	close(where);
	end = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (end < 0 || ioctl(end, TUNSETIFF, &request))
		err(1, "%s", name);
	return end;
}

static void take(int end, struct wire *wire, uint64_t delay, uint32_t lossy, unsigned percent)
{
	for (;;) {
		struct packet *packet = &wire->packets[wire->last % ROOM];
		uint32_t source;

		packet->length = read(end, packet->bytes, LARGEST);
		if (packet->length <= 0)
			return;
		memcpy(&source, packet->bytes + 12, sizeof(source));
		if (packet->bytes[0] >> 4 == 4 && source == lossy && (unsigned)random() % 100 < percent)
			continue;
		packet->due = now() + delay;
		if (wire->last - wire->first < ROOM - 1)
			wire->last++;
	}
}

/* Passes on what is due, and says how long the next one waits. */
static uint64_t pass(int end, struct wire *wire, uint64_t longest)
{
	for (; wire->first != wire->last; wire->first++) {
		struct packet *packet = &wire->packets[wire->first % ROOM];
		uint64_t moment = now();

		if (packet->due > moment)
			return packet->due - moment < longest ? packet->due - moment : longest;
		if (write(end, packet->bytes, packet->length) < 0)
			continue;
	}
	return longest;
}

int main(int count, char **words)
{
	struct pollfd ends[2];
	uint64_t delay;
	uint32_t lossy;
	unsigned percent;

	if (count != 8)
		errx(2, "NAMESPACE DEVICE NAMESPACE DEVICE MILLISECONDS ADDRESS PERCENT");
	for (int i = 0; i < 2; i++)
		ends[i] = (struct pollfd){ .fd = device(words[1 + 2 * i], words[2 + 2 * i]), .events = POLLIN };
	delay = strtoul(words[5], NULL, 10) * 1000000;
	lossy = inet_addr(words[6]);
	percent = strtoul(words[7], NULL, 10);
	srandom(1);
	puts("ready");
	fflush(stdout);
	for (;;) {
		uint64_t wait = 1000000000;
		struct timespec pause;

		for (int i = 0; i < 2; i++) {
			take(ends[i].fd, &wires[i], delay, lossy, percent);
			wait = pass(ends[!i].fd, &wires[i], wait);
		}
		pause = (struct timespec){ .tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000 };
		ppoll(ends, 2, &pause, NULL);
	}
}
