/* What libbpf's usdt.bpf.h wants of <linux/errno.h>, which would pull in the host's headers. */
#pragma once
#define ENOENT 2
#define ESRCH 3
#define EINVAL 22
