//! What opening and closing the OpenCL executor leaves behind, in a process of its own.

use wattline_inference::executor::Executor;
use wattline_inference::opencl::{self, DeviceChoice, OpenCl, Options};
use wattline_inference::{synthetic_image, zoo};

/// Bytes that this process has in memory.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    1024 * line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
}

#[test]
fn opening_and_closing_leaks_nothing() {
    if let Err(error) = opencl::choose(&DeviceChoice::Best) {
        assert!(std::env::var_os("CI").is_none(), "in CI: {error}");
        eprintln!("SKIPPED, nothing was tested: {error}");
        return;
    }
    let graph = zoo::graph_at("squeezenet", 64, 1).unwrap();
    let weights_bytes = 4 * graph.parameters() as usize;
    let image = synthetic_image(graph.input_shape(), 1, 0).unwrap();
    let open_and_close = |times| {
        for _ in 0..times {
            let mut executor = OpenCl::new(&graph, &Options::default()).unwrap();
            executor.run(&image, &mut ()).unwrap();
        }
    };
    open_and_close(20);
    let before = resident_bytes();
    open_and_close(50);
    let grown = resident_bytes().saturating_sub(before);
    println!("{grown} bytes more after fifty executors of {weights_bytes} bytes of weights");
    // Of all fifty not one was kept.
    assert!(grown < weights_bytes, "{grown} bytes more after fifty executors");
}
