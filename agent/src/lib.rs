//! Sensors, traffic counters, the sampler and the recorder.
