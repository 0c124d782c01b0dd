//! Networks, cost model and executors.
