/* SPDX-License-Identifier: BSD-2-Clause */
/* The unpacker's sandbox; the contract is in sandbox.h. */
#include "unpack/sandbox.h"

#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define CPU_SECONDS_MAX 120
#define FILE_BYTES_MAX	GIB(2)

static int set_limits(struct err *err)
{
	const struct rlimit cpu = {CPU_SECONDS_MAX, CPU_SECONDS_MAX};
	const struct rlimit file = {FILE_BYTES_MAX, FILE_BYTES_MAX};
	const struct rlimit core = {0, 0};

	if (setrlimit(RLIMIT_CPU, &cpu) || setrlimit(RLIMIT_FSIZE, &file) ||
	    setrlimit(RLIMIT_CORE, &core))
		return err_sys(err, errno, "sandbox: cannot set limits");
	return 0;
}

int sandbox_enter(struct err *err)
{
	static const int allowed[] = {
	    SCMP_SYS(read),
	    SCMP_SYS(pread64),
	    SCMP_SYS(write),
	    SCMP_SYS(pwrite64),
	    SCMP_SYS(mmap),
	    SCMP_SYS(munmap),
	    SCMP_SYS(mremap),
	    SCMP_SYS(mprotect),
	    SCMP_SYS(madvise),
	    SCMP_SYS(brk),
	    SCMP_SYS(futex),
	    SCMP_SYS(exit),
	    SCMP_SYS(exit_group),
	    SCMP_SYS(rt_sigreturn),
	    SCMP_SYS(restart_syscall),
	    SCMP_SYS(sigaltstack), /* AddressSanitizer, at the end */
	};
	scmp_filter_ctx filter;
	size_t i;
	int r = set_limits(err);

	if (r)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_sys(err, errno, "sandbox: no_new_privs");
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return err_set(err, -ENOMEM, "sandbox: out of memory");
	for (i = 0; !r && i < ARRAY_LEN(allowed); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r ? err_sys(err, r, "sandbox: seccomp") : 0;
}
