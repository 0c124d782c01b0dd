/* The least that a program at each place can do: what ours cost is seen beside it. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

__u64 count;

SEC("tp_btf/sched_switch")
int count_switch(__u64 *ctx)
{
	count += 1;
	return 0;
}

/* As whoever measures time must. */
SEC("tp_btf/sched_switch")
int time_switch(__u64 *ctx)
{
	count += bpf_ktime_get_ns();
	return 0;
}

SEC("usdt")
int count_hit(struct pt_regs *ctx)
{
	count += 1;
	return 0;
}
