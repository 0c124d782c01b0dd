/*
 * Counters of the CPU at hand, read at marks: include after struct mark.
 *
 * Only those of the CPU that a program runs on can be read there, so what lies between two marks
 * is known where both were left on one CPU and the thread did not move meanwhile, which its number
 * of migrations tells. Without counters the verifier takes all of this out.
 */
#pragma once
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define MOST_COUNTERS 6

/* How many events are read at each mark. Set by the loader. */
const volatile __u32 counters SEC(".rodata.counters") = 0;

/* Event `slot` of CPU `cpu` at `cpu * counters + slot`. Sized and filled by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} counted SEC(".maps");

/* A mark, and ahead of it as many counts as there are counters: slot 0 is the last of them. */
struct counted_mark {
	struct bpf_perf_event_value counts[MOST_COUNTERS];
	__u64 migrations;
	struct mark mark;
};

/* What of it becomes a record ahead of the mark, in bytes. */
static __always_inline __u64 bytes_ahead(void)
{
	if (!counters)
		return 0;
	return sizeof(__u64) + counters * sizeof(struct bpf_perf_event_value);
}

/* A slot that this CPU does not count reads all zeros: no time for which it was enabled. */
static __always_inline void read_counters(struct counted_mark *counted_mark)
{
	struct task_struct *task;
	__u32 first, slot;

	if (!counters)
		return;
	task = (struct task_struct *)bpf_get_current_task();
	counted_mark->migrations = 0; /* for ever, where there is one CPU */
	if (bpf_core_field_exists(task->se.nr_migrations))
		counted_mark->migrations = BPF_CORE_READ(task, se.nr_migrations);
	first = counted_mark->mark.cpu * counters;
#pragma unroll
	for (slot = 0; slot < MOST_COUNTERS; slot++) {
		if (slot < counters)
			bpf_perf_event_read_value(&counted, first + slot,
						  &counted_mark->counts[MOST_COUNTERS - 1 - slot],
						  sizeof(struct bpf_perf_event_value));
	}
}
