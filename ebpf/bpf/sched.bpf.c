/* Where the time of each CPU goes: to the target, to others, or to nobody. */
#include "kernel.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "followed.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Who runs on a CPU. 0 to 2 index account.ns. */
enum kind { TARGET = 0, OTHER = 1, IDLE = 2 };
#define KIND_BITS 2

/* No thread's number. */
#define UNKNOWN 0xffffffffffffffffULL

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
	__u64 untracked; /* processes whose number is beyond `followed` */
	__u64 pid; /* the thread that runs; ~0 if that is not known */
	__u64 executed_before_ns; /* its CPU time when it was switched to */
	__u64 credit_ns; /* CPU time of the target that its slices so far had no room for */
	__u64 looked_ns; /* the instant at which both clocks were last looked at */
	__u64 looked_sched_ns; /* what the scheduler's showed then */
	__u64 trusted_ns; /* for so long after that the scheduler's is trusted */
	__u64 padding[3]; /* up to two cache lines */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* as many as CPUs, set by the loader */
	__type(key, __u32);
	__type(value, struct account);
} accounts SEC(".maps");

static __always_inline struct account *account_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&accounts, &cpu);
}

static __always_inline enum kind kind_of_process(__u32 tgid)
{
	__u8 *state = state_of(tgid);

	return state && *state ? TARGET : OTHER;
}

/*
 * Called when a thread that has exited is switched from, for the last time. Not on its release,
 * by when its number may be another's, and which is no event of the thread's own.
 */
static __always_inline void forget_if_last(__u32 tgid)
{
	__u8 *state = state_of(tgid);

	if (state && *state == EXITING)
		*state = STRANGER;
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

static __always_inline enum kind kind_of(struct task_struct *task)
{
	if (!task->pid)
		return IDLE;
	if (settings.target == MACHINE)
		return TARGET;
	if (settings.target == TREE)
		return kind_of_process(task->tgid);
	return kind_by_cgroup(task);
}

/*
 * Accounts time up to now that somebody ran, of which the scheduler says that so much was CPU
 * time: without interrupts, where the kernel accounts those by themselves, and without what a
 * hypervisor took. That part is the target's. The scheduler's clock is read a little before the
 * switch, so that there may be less room than was executed; the next slice makes up for it.
 */
static __always_inline void add(struct account *account, enum kind kind, __u64 ns, __u64 executed_ns)
{
	__u64 part_ns = ns;

	if (kind == TARGET && settings.target != MACHINE) {
		account->credit_ns += executed_ns;
		if (part_ns > account->credit_ns)
			part_ns = account->credit_ns;
		account->credit_ns -= part_ns;
		account->ns[OTHER] += ns - part_ns;
	}
	account->ns[kind & 3] += part_ns;
}

/*
 * How long the scheduler's clock is trusted to go as fast as the one that everybody reads; and how
 * long after the two were found further apart than before.
 */
#define TRUSTED_NS 100000
#define DOUBTED_NS 6000

/* By how much the two may drift apart, as a shift: 1 in 1024, where NTP slews by 1 in 2000. */
#define DRIFT_SHIFT 10

/* What they are further apart by than this is no delay: a clock was set, or the machine slept. */
#define JUMP_NS 10000000

/*
 * The instant of a switch. Looking at the clock takes longer than all else here, and the scheduler
 * has looked at its own when it began to decide, a microsecond or so before the switch. That one
 * has another origin and is not slewed, so both are looked at together now and then.
 *
 * The more time passes between the scheduler's look and ours, the further apart the two seem; never
 * closer than they are. So what was seen closer holds, but for what they may have drifted since,
 * and there is another look soon. What that leaves is a microsecond or two.
 */
static __always_inline __u64 instant_of_switch(struct account *account, struct task_struct *prev)
{
#if !defined(__TARGET_ARCH_arm) /* Its JIT follows no pointer from a task: all would be interpreted. */
	/* Without CONFIG_FAIR_GROUP_SCHED no task says where the clock is. */
	if (bpf_core_field_exists(prev->se.cfs_rq)) {
		__u64 sched_ns = prev->se.cfs_rq->rq->clock;
		__u64 passed_ns = sched_ns - account->looked_sched_ns;
		__u64 expected_ns = account->looked_ns + passed_ns;
		__u64 now_ns, drifted_ns;

		if (passed_ns < account->trusted_ns)
			return expected_ns;
		now_ns = bpf_ktime_get_ns();
		account->trusted_ns = now_ns > expected_ns ? DOUBTED_NS : TRUSTED_NS;
		drifted_ns = expected_ns + (passed_ns >> DRIFT_SHIFT);
		if (account->looked_ns && now_ns > drifted_ns && now_ns - drifted_ns < JUMP_NS)
			now_ns = drifted_ns;
		account->looked_sched_ns = sched_ns;
		account->looked_ns = now_ns;
		return now_ns;
	}
#endif
	return bpf_ktime_get_ns();
}

/* For how long who leaves a CPU has been there, by what the scheduler noted itself. */
static __always_inline __u64 since_arrival(struct task_struct *prev)
{
#if !defined(__TARGET_ARCH_arm) /* As above. */
	/* Without CONFIG_SCHED_INFO it does not note when; nor ever for the idle task. */
	if (bpf_core_field_exists(prev->sched_info) && bpf_core_field_exists(prev->se.cfs_rq) &&
	    prev->pid)
		return prev->se.cfs_rq->rq->clock - prev->sched_info.last_arrival;
#endif
	/* Falls short once its class, group or CPUs have changed meanwhile, as at its exit. */
	return prev->se.sum_exec_runtime - prev->se.prev_sum_exec_runtime;
}

/* Opens the account of a CPU, or closes the slice of who ran there; answers the instant. */
static __always_inline __u64 close_slice(struct account *account, struct task_struct *prev)
{
	__u64 now_ns = instant_of_switch(account, prev);
	__u64 running = account->running;
	__u64 since_ns = running >> KIND_BITS;
	__u64 executed_ns = prev->se.sum_exec_runtime;
	__u64 slice_ns, part_ns;

	if (!running) {
		account->first_ns = now_ns;
		return now_ns;
	}
	/* The kernel's fast clock may step back a little while it is adjusted. */
	if (now_ns < since_ns)
		now_ns = since_ns;
	slice_ns = now_ns - since_ns;
	if (account->pid == prev->pid) {
		add(account, running & 3, slice_ns, executed_ns - account->executed_before_ns);
		return now_ns;
	}
	if (account->pid == UNKNOWN) {
		add(account, running & 3, slice_ns, slice_ns);
		return now_ns;
	}
	/*
	 * A switch was not reported: a kernel may leave some out. Of what passed since the last one,
	 * the time since who leaves came is theirs.
	 */
	part_ns = since_arrival(prev);
	if (part_ns > slice_ns)
		part_ns = slice_ns;
	add(account, running & 3, slice_ns - part_ns, slice_ns - part_ns);
	add(account, kind_of(prev), part_ns, part_ns);
	return now_ns;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct account *account = account_here();
	__u64 now_ns;

	if (!account)
		return 0;
	now_ns = close_slice(account, prev);
	account->pid = next->pid;
	account->executed_before_ns = next->se.sum_exec_runtime;
	account->running = now_ns << KIND_BITS | kind_of(next);
	if (settings.target == TREE && prev->exit_state)
		forget_if_last(prev->tgid);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 tgid = child->tgid;
	__u8 *state;
	struct account *account;

	if (child->pid != tgid || kind_of_process(parent->tgid) != TARGET)
		return 0;
	state = state_of(tgid);
	if (state) {
		*state = FOLLOWED;
		return 0;
	}
	account = account_here();
	if (account)
		account->untracked += 1;
	return 0;
}

/* Much of an exit comes after this, such as giving memory back, and is still accounted. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u8 *state = state_of(task->tgid);

	if (state && *state && !task->signal->live.counter)
		*state = EXITING;
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
	account->pid = UNKNOWN;
	account->first_ns = bpf_ktime_get_ns();
	account->running = account->first_ns << KIND_BITS | kind;
	return 0;
}

/* Run by the loader where it stands: the number its process has in the kernel. */
SEC("raw_tp")
int who_am_i(struct bpf_raw_tracepoint_args *ctx)
{
	return bpf_get_current_pid_tgid() >> 32;
}
