//! Tells a service manager that the server serves, by systemd's protocol: a datagram to the socket that
//! `NOTIFY_SOCKET` names.

#[cfg(target_os = "linux")]
pub fn ready() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Ok(name) = std::env::var("NOTIFY_SOCKET") else {
        return;
    };
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&name),
    };
    let socket = UnixDatagram::unbound();
    let sent = socket.and_then(|socket| socket.send_to_addr(b"READY=1", &address?));
    if let Err(error) = sent {
        tracing::warn!(%error, name, "cannot notify the service manager");
    }
}

#[cfg(not(target_os = "linux"))]
pub fn ready() {}
