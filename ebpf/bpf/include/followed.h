/* The processes of a tree: kept by sched.bpf.c, looked at by marks.bpf.c. */
#pragma once
#include "kernel.h"
#include <bpf/bpf_helpers.h>

/* A process of the tree. */
enum { STRANGER = 0, FOLLOWED = 1, EXITING = 2 /* its last thread is */ };

/*
 * Every process there may be, by number: looked up at each switch, this costs a third of what a
 * hash table does, and it neither fills up nor takes a lock. A thread is followed through its
 * process.
 */
#define PROCESSES 64
struct processes {
	__u8 state[PROCESSES];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* for the highest number there may be, set by the loader */
	__type(key, __u32);
	__type(value, struct processes);
} followed SEC(".maps");

static __always_inline __u8 *state_of(__u32 tgid)
{
	__u32 index = tgid / PROCESSES;
	struct processes *processes = bpf_map_lookup_elem(&followed, &index);

	return processes ? &processes->state[tgid % PROCESSES] : 0;
}
