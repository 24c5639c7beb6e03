/* SPDX-License-Identifier: BSD-2-Clause */
/* Narrowing the process's rights; the contract is in sandbox.h. */
#include "byway/sandbox.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int sandbox_drop(struct err *err)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_sys(err, errno, "sandbox: no_new_privs");
	if (syscall(SYS_capset, &header, none))
		return err_sys(err, errno, "sandbox: capabilities");
	return 0;
}
