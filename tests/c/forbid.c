/*
 * forbid HOW COMMAND…: runs the command in a sandbox that stands in the way of a seccomp filter.
 *   ERRNO     seccomp(2) fails with that number
 *   kill      whoever calls seccomp(2) is killed
 *   listener  another program's filter has the only listener there can be; it never notifies
 */
#include "check.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int main(int argc, char **argv)
{
	unsigned int answer = SECCOMP_RET_ALLOW, flags = 0;
	int listener;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

	must(argc > 2, "usage");
	if (strcmp(argv[1], "kill") == 0)
		answer = SECCOMP_RET_KILL_PROCESS;
	else if (strcmp(argv[1], "listener") == 0)
		flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else
		answer = SECCOMP_RET_ERRNO | (unsigned int)atoi(argv[1]);
	filter[2].k = answer;
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	must(listener >= 0, "seccomp");
	/* Somebody else would hold it; here the command does. */
	must(!flags || fcntl(listener, F_SETFD, 0) == 0, "fcntl");
	execvp(argv[2], argv + 2);
	must(0, argv[2]);
}
