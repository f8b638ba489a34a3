//! Has the linker lay the functions side by side that a proxy runs (`layout.ld`, written by `bench/layout`).

fn main() {
    println!("cargo::rerun-if-changed=layout.ld");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    // What is built for tests is not measured, and other systems have other linkers.
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the crate's folder");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/layout.ld");
    }
}
