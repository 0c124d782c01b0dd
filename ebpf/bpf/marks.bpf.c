/* Marks from USDT probes, instructions and functions of any program. */
#include "kernel.h"
#include "drops.h"
#include "followed.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define NAME_BYTES 128
#define NO_ARGUMENT 0xff

enum { BEGIN = 0, END = 1 };

/* Whether hits of processes that are not followed are left out. Set by the loader, which then
 * has `followed` shared with sched.bpf.c. */
const volatile __u32 followed_alone SEC(".rodata.followed_alone") = 0;

/* What to do at a probe; its attach cookie is its index. Set by the loader. */
struct probe {
	__u64 cookie;
	__u8 moment;
	__u8 ids[2]; /* positions of arguments, or NO_ARGUMENT */
	__u8 name;
	__u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* as many as probes, set by the loader */
	__type(key, __u32);
	__type(value, struct probe);
} probes SEC(".maps");

struct mark {
	__u64 t_ns;
	__u64 cookie;
	__u64 ids[2];
	__u32 pid;
	__u32 tid;
	__u32 cpu;
	__u16 moment;
	__u16 name_bytes; /* with its NUL; 0 without a name */
	char name[NAME_BYTES];
};

#include "counters.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set by the loader */
} records SEC(".maps");

static __always_inline int is_wanted(void)
{
	__u8 *state;

	if (!followed_alone)
		return 1;
	state = state_of(bpf_get_current_pid_tgid() >> 32);
	return state && *state;
}

static __always_inline void begin_mark(struct counted_mark *counted_mark, struct probe *probe)
{
	struct mark *mark = &counted_mark->mark;
	__u64 ids = bpf_get_current_pid_tgid();

	mark->t_ns = bpf_ktime_get_ns();
	mark->cookie = probe->cookie;
	mark->ids[0] = mark->ids[1] = 0;
	mark->pid = ids >> 32;
	mark->tid = ids;
	mark->cpu = bpf_get_smp_processor_id();
	mark->moment = probe->moment;
	mark->name_bytes = 0;
	read_counters(counted_mark);
}

/*
 * The mark is built on the stack, not in memory of the CPU's: a probe's program may be preempted
 * by that of another thread.
 */
static __always_inline int emit(struct counted_mark *counted_mark, __u64 name)
{
	struct mark *mark = &counted_mark->mark;
	__u64 bytes = __builtin_offsetof(struct mark, name);

	if (name) {
		/* An error is a large number here. With a second bound, from below, the compiler
		 * compares another register, of which Linux 6.12 learns nothing for this one. */
		__u64 length = bpf_probe_read_user_str(mark->name, NAME_BYTES, (void *)name);

		if (length <= NAME_BYTES) {
			mark->name_bytes = length;
			bytes += length;
		}
	}
	if (bpf_ringbuf_output(&records, (void *)mark - bytes_ahead(), bytes + bytes_ahead(),
			       BPF_RB_NO_WAKEUP))
		count_drop();
	return 0;
}

/* A register, kept from being loaded through a computed address, which the verifier refuses. */
#define REGISTER(load)                      \
	({                                  \
		__u64 value = (load);       \
		asm volatile("" : "+r"(value)); \
		value;                      \
	})

#define REGISTER_AT(index) \
	case index:        \
		return REGISTER(((unsigned long *)ctx)[index])

/* A register by its place in struct pt_regs, in bytes. Most are had without asking the kernel. */
static __always_inline __u64 register_at(struct pt_regs *ctx, __u16 place)
{
	unsigned long value = 0;

#if !defined(__TARGET_ARCH_arm) /* has registers of 4 bytes */
	switch (place / 8) {
		REGISTER_AT(0);
		REGISTER_AT(1);
		REGISTER_AT(2);
		REGISTER_AT(3);
		REGISTER_AT(4);
		REGISTER_AT(5);
		REGISTER_AT(6);
		REGISTER_AT(7);
		REGISTER_AT(8);
		REGISTER_AT(9);
		REGISTER_AT(10);
		REGISTER_AT(11);
		REGISTER_AT(12);
		REGISTER_AT(13);
		REGISTER_AT(14);
	}
#endif
	bpf_probe_read_kernel(&value, sizeof(value), (void *)ctx + place);
	return value;
}

/*
 * What bpf_usdt_arg() of libbpf does with the specification that its loader wrote. That one looks
 * the specification up for each argument and asks the kernel for each register, which takes twice
 * as long as all else that happens here.
 */
static __always_inline __u64 usdt_argument(struct pt_regs *ctx, struct __bpf_usdt_spec *spec,
					   __u8 position)
{
	struct __bpf_usdt_arg_spec *argument;
	unsigned long value;

	if (position >= BPF_USDT_MAX_ARG_CNT || position >= spec->arg_cnt)
		return 0;
	argument = &spec->args[position];
	if (argument->arg_type == BPF_USDT_ARG_CONST)
		value = argument->val_off;
	else
		value = register_at(ctx, argument->reg_off);
	if (argument->arg_type == BPF_USDT_ARG_SIB)
		value += register_at(ctx, argument->idx_reg_off) << argument->scale_bitshift;
	if (argument->arg_type == BPF_USDT_ARG_REG_DEREF ||
	    argument->arg_type == BPF_USDT_ARG_SIB) {
		void *place = (void *)(value + argument->val_off);

		if (bpf_probe_read_user(&value, sizeof(value), place))
			return 0;
	}
	value <<= argument->arg_bitshift;
	if (argument->arg_signed)
		return (long)value >> argument->arg_bitshift;
	return value >> argument->arg_bitshift;
}

SEC("usdt")
int on_usdt(struct pt_regs *ctx)
{
	__u32 id = __bpf_usdt_spec_id(ctx);
	struct __bpf_usdt_spec *spec = bpf_map_lookup_elem(&__bpf_usdt_specs, &id);
	struct probe *probe;
	struct counted_mark mark;
	__u32 index;

	if (!spec)
		return 0;
	index = spec->usdt_cookie;
	probe = bpf_map_lookup_elem(&probes, &index);
	if (!probe || !is_wanted())
		return 0;
	begin_mark(&mark, probe);
	mark.mark.ids[0] = usdt_argument(ctx, spec, probe->ids[0]);
	mark.mark.ids[1] = usdt_argument(ctx, spec, probe->ids[1]);
	return emit(&mark, usdt_argument(ctx, spec, probe->name));
}

static __always_inline __u64 call_argument(struct pt_regs *ctx, __u8 position)
{
	switch (position) {
	case 0:
		return REGISTER(PT_REGS_PARM1(ctx));
	case 1:
		return REGISTER(PT_REGS_PARM2(ctx));
	case 2:
		return REGISTER(PT_REGS_PARM3(ctx));
	case 3:
		return REGISTER(PT_REGS_PARM4(ctx));
#if !defined(__TARGET_ARCH_arm) /* passes four in registers */
	case 4:
		return REGISTER(PT_REGS_PARM5(ctx));
#endif
	default:
		return 0;
	}
}

static __always_inline struct probe *probe_here(struct pt_regs *ctx)
{
	/* Without cookies one probe is all that the loader attaches. */
	__u32 index = LINUX_HAS_BPF_COOKIE ? bpf_get_attach_cookie(ctx) : 0;

	return bpf_map_lookup_elem(&probes, &index);
}

static __always_inline int at_instruction(struct pt_regs *ctx)
{
	struct probe *probe = probe_here(ctx);
	struct counted_mark mark;

	if (!probe || !is_wanted())
		return 0;
	begin_mark(&mark, probe);
	mark.mark.ids[0] = call_argument(ctx, probe->ids[0]);
	mark.mark.ids[1] = call_argument(ctx, probe->ids[1]);
	return emit(&mark, call_argument(ctx, probe->name));
}

static __always_inline int at_return(struct pt_regs *ctx)
{
	struct probe *probe = probe_here(ctx);
	struct counted_mark mark;

	if (!probe || !is_wanted())
		return 0;
	begin_mark(&mark, probe);
	mark.mark.moment = END;
	mark.mark.ids[0] = PT_REGS_RC(ctx);
	return emit(&mark, 0);
}

SEC("uprobe")
int on_instruction(struct pt_regs *ctx)
{
	return at_instruction(ctx);
}

SEC("uretprobe")
int on_return(struct pt_regs *ctx)
{
	return at_return(ctx);
}

/* The same where the kernel attaches many probes at once (Linux 6.6). */
SEC("uprobe.multi")
int on_instructions(struct pt_regs *ctx)
{
	return at_instruction(ctx);
}

SEC("uretprobe.multi")
int on_returns(struct pt_regs *ctx)
{
	return at_return(ctx);
}
