/* Changes of CPU frequency and of idle states. */
#include "kernel.h"
#include "drops.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

enum { FREQUENCY = 0, IDLE = 1 };

struct event {
	__u64 t_ns;
	__u32 cpu;
	__u32 what;
	__u32 value; /* kHz, or the idle state; ~0 on leaving idle */
	__u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} records SEC(".maps");

static __always_inline int emit(__u32 what, __u32 value, __u32 cpu)
{
	struct event *event = bpf_ringbuf_reserve(&records, sizeof(*event), 0);

	if (!event) {
		count_drop();
		return 0;
	}
	event->t_ns = bpf_ktime_get_ns();
	event->cpu = cpu;
	event->what = what;
	event->value = value;
	event->padding = 0;
	/* Whoever reads comes by itself: a wake-up would be a switch, and an idle state left. */
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

/* cpu_frequency(unsigned int frequency, unsigned int cpu_id) */
SEC("raw_tp/cpu_frequency")
int on_frequency(struct bpf_raw_tracepoint_args *ctx)
{
	return emit(FREQUENCY, ctx->args[0], ctx->args[1]);
}

/* cpu_idle(unsigned int state, unsigned int cpu_id) */
SEC("raw_tp/cpu_idle")
int on_idle(struct bpf_raw_tracepoint_args *ctx)
{
	return emit(IDLE, ctx->args[0], ctx->args[1]);
}
