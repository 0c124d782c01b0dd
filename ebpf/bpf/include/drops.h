/* Records that found the ring buffer full: one counter to a CPU, read by mapping them. */
#pragma once

#include "kernel.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* as many as CPUs, set by the loader */
	__type(key, __u32);
	__type(value, __u64);
} drops SEC(".maps");

static __always_inline void count_drop(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u64 *count = bpf_map_lookup_elem(&drops, &cpu);

	if (!count)
		return;
#if defined(__TARGET_ARCH_arm)
	/*
	 * The JIT of 32-bit ARM has no atomic addition. On a kernel that preempts programs two drops
	 * in the same instant on one CPU may count as one.
	 */
	*count += 1;
#else
	__sync_fetch_and_add(count, 1);
#endif
}
