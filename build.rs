//! Sets the linker flags that a Node addon needs, only when one is built.

fn main() {
    if std::env::var_os("CARGO_FEATURE_ADDON").is_some() {
        napi_build::setup();
    }
}
