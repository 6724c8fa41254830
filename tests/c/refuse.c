/*
 * refuse ERRNO[:FAMILY] COMMAND…: runs the command under a seccomp filter that answers a request for an
 * MPTCP socket with ERRNO, as a sandbox, a security policy or an old kernel does; with a family, for
 * sockets of that one alone.
 */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define MPTCP 262

int main(int argc, char **argv)
{
	unsigned int answer = argc > 2 ? (unsigned int)atoi(argv[1]) : 0;
	const char *of = argc > 2 ? strchr(argv[1], ':') : NULL;
	unsigned int family = of ? (unsigned int)atoi(of + 1) : 0;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 5),
		/* Without a family any number is at least 0. The low halves of arguments: these hosts are little-endian. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | (of ? BPF_JEQ : BPF_JGE) | BPF_K, family, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MPTCP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (answer & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

	must(argc > 2, "usage");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
	execvp(argv[2], argv + 2);
	must(0, argv[2]);
}
