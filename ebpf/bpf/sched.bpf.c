/* Where the time of each CPU goes: to the target, to others, or to nobody. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Who runs on a CPU. 0 to 2 index account.ns. */
enum kind { TARGET = 0, OTHER = 1, IDLE = 2 };
#define KIND_BITS 2

enum { TREE = 0, CGROUP = 1, MACHINE = 2 };

/* Set by the loader. */
struct settings {
	__u64 cgroup;
	__u32 target;
	__u32 cgroup_level;
};
const volatile struct settings settings SEC(".rodata.settings") = {};

/*
 * The account of one CPU, written there alone, and read from a mapping without a lock.
 *
 * first_ns and the three sums always add up to the instant in `running`: a reader that sees part
 * of a change sees that they do not, and looks again.
 */
struct account {
	__u64 ns[4]; /* by kind; the last is never used, but makes the index safe */
	__u64 first_ns; /* when this CPU was first seen */
	__u64 running; /* since when, in ns, and in the lowest bits who; 0 before first_ns */
	__u64 untracked; /* processes there was no room for in `followed` */
	__u64 padding; /* up to one cache line */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* as many as CPUs, set by the loader */
	__type(key, __u32);
	__type(value, struct account);
} accounts SEC(".maps");

/*
 * The processes of the tree, by number, with the time each was forked; 0 for those found when
 * accounting began. A thread is followed through its process.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} followed SEC(".maps");

static __always_inline struct account *account_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&accounts, &cpu);
}

static __always_inline enum kind kind_of_process(__u32 tgid)
{
	return bpf_map_lookup_elem(&followed, &tgid) ? TARGET : OTHER;
}

/* The hierarchy is walked up from the task's cgroup: deeper nesting than this is not found. */
#define DEEPEST_CGROUP 16

static __always_inline enum kind kind_by_cgroup(struct task_struct *task)
{
	struct cgroup_subsys_state *state = &task->cgroups->dfl_cgrp->self;

	for (int level = 0; level < DEEPEST_CGROUP && state; level++) {
		if (state->cgroup->kn->id == settings.cgroup)
			return TARGET;
		state = state->parent;
	}
	return OTHER;
}

/* Closes the slice of whom ran here until now, and opens that of `next`. */
static __always_inline void account_switch(struct account *account, enum kind next)
{
	__u64 now_ns = bpf_ktime_get_ns();
	__u64 running = account->running;
	__u64 since_ns = running >> KIND_BITS;

	/* The kernel's fast clock may step back a little while it is adjusted. */
	if (now_ns < since_ns)
		now_ns = since_ns;
	if (running)
		account->ns[running & 3] += now_ns - since_ns;
	else
		account->first_ns = now_ns;
	account->running = now_ns << KIND_BITS | next;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct account *account = account_here();
	enum kind kind;

	if (!account)
		return 0;
	if (!next->pid)
		kind = IDLE;
	else if (settings.target == MACHINE)
		kind = TARGET;
	else if (settings.target == TREE)
		kind = kind_of_process(next->tgid);
	else
		kind = kind_by_cgroup(next);
	account_switch(account, kind);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 parent_tgid = parent->tgid, tgid = child->tgid;
	__u64 start_time = child->start_time;
	struct account *account;

	if (child->pid != tgid || !bpf_map_lookup_elem(&followed, &parent_tgid))
		return 0;
	if (bpf_map_update_elem(&followed, &tgid, &start_time, BPF_ANY)) {
		account = account_here();
		if (account)
			account->untracked += 1;
	}
	return 0;
}

/*
 * Called when the last reference to a task goes, after it was reaped: what it does while it exits
 * is still its own. Its number may already be another's, which has started later.
 */
SEC("tp_btf/sched_process_free")
int BPF_PROG(on_free, struct task_struct *task)
{
	__u32 tgid = task->tgid;
	__u64 *start_time;

	if (task->pid != tgid)
		return 0;
	start_time = bpf_map_lookup_elem(&followed, &tgid);
	if (start_time && (!*start_time || *start_time == task->start_time))
		bpf_map_delete_elem(&followed, &tgid);
	return 0;
}

/*
 * Run by the loader once on each CPU, never attached: begins the account with whoever runs, so
 * that a CPU that does not switch for long is accounted all the same. Runs with interrupts off.
 */
SEC("raw_tp")
int begin(struct bpf_raw_tracepoint_args *ctx)
{
	struct account *account = account_here();
	__u64 ids = bpf_get_current_pid_tgid();
	enum kind kind = OTHER;

	if (!account || account->running)
		return 0;
	if (!(__u32)ids)
		kind = IDLE;
	else if (settings.target == MACHINE)
		kind = TARGET;
	else if (settings.target == TREE)
		kind = kind_of_process(ids >> 32);
	else if (bpf_get_current_ancestor_cgroup_id(settings.cgroup_level) == settings.cgroup)
		kind = TARGET;
	account_switch(account, kind);
	return 0;
}

/* Run by the loader where it stands: the number its process has in the kernel. */
SEC("raw_tp")
int who_am_i(struct bpf_raw_tracepoint_args *ctx)
{
	return bpf_get_current_pid_tgid() >> 32;
}
