//! Finds XNNPACK.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(xnnpack)");
}
