//! Makes code of the service's description, with a compiler of its own: none has to be installed.

fn main() {
    #[cfg(feature = "grpc")]
    generate();
}

#[cfg(feature = "grpc")]
fn generate() {
    const PROTO: &str = "proto/portcask.proto";
    println!("cargo::rerun-if-changed={PROTO}");
    let described = protox::compile([PROTO], ["proto"]).expect("the service is well described");
    tonic_prost_build::configure()
        .compile_fds(described)
        .expect("code can be written to the build's own directory");
}
